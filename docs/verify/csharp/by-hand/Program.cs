// Receives webhooks: verify, store once, answer at once, work in the background.
// .NET 8 or later (and Mono), nothing to install:
//
//   WEBHOOK_SECRET=whsec_... dotnet run
using System;
using System.IO;
using System.Linq;
using System.Net;
using System.Security.Cryptography;
using System.Text;
using System.Text.RegularExpressions;
using System.Threading;
using System.Threading.Tasks;

static class Program
{
    static readonly byte[] Key = Convert.FromBase64String(Regex.Replace(Setting("WEBHOOK_SECRET", ""), "^whsec_", ""));
    static readonly string Port = Setting("PORT", "3000");
    static readonly string Inbox = Setting("INBOX", "inbox");
    static readonly string Waiting = Path.Combine(Inbox, "waiting");
    static readonly string Done = Path.Combine(Inbox, "done");
    const int ToleranceSeconds = 300;
    const int LargestBodyBytes = 1024 * 1024;

    static bool IsGenuine(string id, string timestamp, string signatures, byte[] body)
    {
        if (!Regex.IsMatch(timestamp, @"^[0-9]{1,12}\z")) return false;
        if (Math.Abs(DateTimeOffset.UtcNow.ToUnixTimeSeconds() - long.Parse(timestamp)) > ToleranceSeconds) return false;
        // Over the raw bytes: JSON that was parsed and printed again is another text.
        var signed = Encoding.UTF8.GetBytes($"{id}.{timestamp}.").Concat(body).ToArray();
        byte[] expected;
        using (var hmac = new HMACSHA256(Key))
            expected = Encoding.UTF8.GetBytes("v1," + Convert.ToBase64String(hmac.ComputeHash(signed)));
        // Several during a rotation of the secret; other versions than v1 are skipped.
        return signatures.Split(' ').Any(one =>
            CryptographicOperations.FixedTimeEquals(Encoding.UTF8.GetBytes(one), expected));
    }

    /// <summary>True once the event is on disk; false when it was there before, handled or not.</summary>
    static bool Store(string id, byte[] body)
    {
        if (File.Exists(Path.Combine(Done, id))) return false;
        var draft = Path.Combine(Inbox, "draft-" + Guid.NewGuid());
        using (var file = new FileStream(draft, FileMode.CreateNew))
        {
            file.Write(body, 0, body.Length);
            file.Flush(true);
        }
        try
        {
            // Only one of two at the same time gets the name; Mono looks first and moves then, hence the lock.
            lock (Inbox) File.Move(draft, Path.Combine(Waiting, id));
            return true;
        }
        catch (IOException) when (File.Exists(Path.Combine(Waiting, id)) || File.Exists(Path.Combine(Done, id)))
        {
            File.Delete(draft);
            return false;
        }
    }

    static void Handle(string id, byte[] body)
    {
        Thread.Sleep(500); // Your work; nobody waits for it.
        Console.WriteLine($"handled {id} {Encoding.UTF8.GetString(body)}");
    }

    static void Work()
    {
        for (;;)
        {
            foreach (var waiting in Directory.GetFiles(Waiting).OrderBy(path => path, StringComparer.Ordinal))
            {
                var id = Path.GetFileName(waiting);
                try
                {
                    if (File.Exists(Path.Combine(Done, id)))
                    {
                        File.Delete(waiting);
                        continue;
                    }
                    Handle(id, File.ReadAllBytes(waiting));
                    File.Move(waiting, Path.Combine(Done, id));
                }
                catch (Exception error)
                {
                    Console.Error.WriteLine(error); // It stays where it is and is tried again.
                }
            }
            Thread.Sleep(200);
        }
    }

    static int Receive(HttpListenerRequest request)
    {
        if (request.ContentLength64 < 0 || request.ContentLength64 > LargestBodyBytes) return 413;
        var body = new MemoryStream();
        request.InputStream.CopyTo(body);
        var id = request.Headers["webhook-id"] ?? "";
        var timestamp = request.Headers["webhook-timestamp"] ?? "";
        var signatures = request.Headers["webhook-signature"] ?? "";
        if (!Regex.IsMatch(id, @"^[A-Za-z0-9_-]{1,100}\z")) return 401;
        if (!IsGenuine(id, timestamp, signatures, body.ToArray())) return 401;
        return Store(id, body.ToArray()) ? 202 : 200;
    }

    static void Answer(HttpListenerContext context)
    {
        try
        {
            context.Response.StatusCode = Receive(context.Request);
        }
        catch (Exception error)
        {
            Console.Error.WriteLine(error);
            context.Response.StatusCode = 500; // Not stored: the sender tries again.
        }
        context.Response.Close();
    }

    static string Setting(string name, string otherwise) => Environment.GetEnvironmentVariable(name) ?? otherwise;

    static void Main()
    {
        if (Key.Length < 24) throw new ArgumentException("WEBHOOK_SECRET has to be whsec_ and base64.");
        Directory.CreateDirectory(Waiting);
        Directory.CreateDirectory(Done);
        Task.Factory.StartNew(Work, TaskCreationOptions.LongRunning);
        var listener = new HttpListener();
        listener.Prefixes.Add($"http://127.0.0.1:{Port}/");
        listener.Start();
        for (;;)
        {
            var context = listener.GetContext();
            Task.Run(() => Answer(context));
        }
    }
}
