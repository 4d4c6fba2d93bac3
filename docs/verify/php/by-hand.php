<?php
// Receives webhooks: verify, store once, answer at once, work in the background.
// PHP 8.1 or later, nothing to install. The receiver and its worker, for trying out:
//
//   WEBHOOK_SECRET=whsec_... php -S 127.0.0.1:3000 by-hand.php
//   php by-hand.php
declare(strict_types=1);

const TOLERANCE_SECONDS = 300;
const LARGEST_BODY_BYTES = 1024 * 1024;
define('INBOX', getenv('INBOX') ?: __DIR__ . '/inbox');
const WAITING = INBOX . '/waiting';
const DONE = INBOX . '/done';

function is_genuine(string $id, string $timestamp, string $signatures, string $body): bool
{
    $key = base64_decode(preg_replace('/^whsec_/', '', (string) getenv('WEBHOOK_SECRET')), true);
    if ($key === false || strlen($key) < 24) {
        throw new RuntimeException('WEBHOOK_SECRET has to be whsec_ and base64.');
    }
    if (!preg_match('/^\d{1,12}$/D', $timestamp) || abs(time() - (int) $timestamp) > TOLERANCE_SECONDS) {
        return false;
    }
    // Over the raw bytes: JSON that was parsed and printed again is another text.
    $expected = 'v1,' . base64_encode(hash_hmac('sha256', "$id.$timestamp.$body", $key, true));
    // Several during a rotation of the secret; other versions than v1 are skipped.
    foreach (explode(' ', $signatures) as $one) {
        if (hash_equals($expected, $one)) {
            return true;
        }
    }
    return false;
}

/** True once the event is on disk; false when it was there before, handled or not. */
function store(string $id, string $body): bool
{
    if (file_exists(DONE . "/$id")) {
        return false;
    }
    $draft = tempnam(INBOX, 'draft-');
    $file = fopen($draft, 'wb');
    try {
        if (fwrite($file, $body) !== strlen($body) || !fsync($file)) {
            throw new RuntimeException("$draft cannot be written.");
        }
        // Only one of two at the same time gets the name.
        if (@link($draft, WAITING . "/$id")) {
            return true;
        }
    } finally {
        fclose($file);
        unlink($draft);
    }
    if (!file_exists(WAITING . "/$id") && !file_exists(DONE . "/$id")) {
        throw new RuntimeException("$id cannot be stored.");
    }
    return false;
}

function handle(string $id, string $body): void
{
    usleep(500_000); // Your work; nobody waits for it.
    echo "handled $id $body\n";
}

function work(): never
{
    while (true) {
        foreach (array_diff(scandir(WAITING), ['.', '..']) as $id) {
            try {
                if (!file_exists(DONE . "/$id")) {
                    handle($id, file_get_contents(WAITING . "/$id"));
                }
                rename(WAITING . "/$id", DONE . "/$id");
            } catch (Throwable $error) {
                error_log((string) $error); // It stays where it is and is tried again.
            }
        }
        usleep(200_000);
    }
}

function receive(): int
{
    $body = file_get_contents('php://input', length: LARGEST_BODY_BYTES + 1);
    if (strlen($body) > LARGEST_BODY_BYTES) {
        return 413;
    }
    $id = $_SERVER['HTTP_WEBHOOK_ID'] ?? '';
    $timestamp = $_SERVER['HTTP_WEBHOOK_TIMESTAMP'] ?? '';
    $signatures = $_SERVER['HTTP_WEBHOOK_SIGNATURE'] ?? '';
    if (!preg_match('/^[\w-]{1,100}$/D', $id) || !is_genuine($id, $timestamp, $signatures, $body)) {
        return 401;
    }
    return store($id, $body) ? 202 : 200;
}

foreach ([WAITING, DONE] as $folder) {
    is_dir($folder) || @mkdir($folder, recursive: true);
}
if (PHP_SAPI === 'cli') {
    work();
}
try {
    http_response_code(receive());
} catch (Throwable $error) {
    error_log((string) $error);
    http_response_code(500); // Not stored: the sender tries again.
}
