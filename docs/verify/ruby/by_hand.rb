# Receives webhooks: verify, store once, answer at once, work in the background.
# Ruby 3.0 or later; WEBrick is the HTTP server that Ruby used to bring along:
#
#   gem install webrick
#   WEBHOOK_SECRET=whsec_... ruby by_hand.rb
require "fileutils"
require "openssl"
require "tempfile"
require "webrick"

KEY = ENV.fetch("WEBHOOK_SECRET").delete_prefix("whsec_").unpack1("m0")
abort "WEBHOOK_SECRET has to be whsec_ and base64." if KEY.bytesize < 24
PORT = Integer(ENV.fetch("PORT", "3000"))
INBOX = ENV.fetch("INBOX", "inbox")
WAITING = File.join(INBOX, "waiting")
DONE = File.join(INBOX, "done")
TOLERANCE_SECONDS = 300
LARGEST_BODY_BYTES = 1024 * 1024

def genuine?(request, body)
  timestamp = request["webhook-timestamp"].to_s
  return false unless timestamp.match?(/\A\d{1,12}\z/)
  return false if (Time.now.to_i - Integer(timestamp, 10)).abs > TOLERANCE_SECONDS

  # Over the raw bytes: JSON that was parsed and printed again is another text.
  signed = "#{request["webhook-id"]}.#{timestamp}.".b + body.b
  expected = "v1," + [OpenSSL::HMAC.digest("SHA256", KEY, signed)].pack("m0")
  # Several during a rotation of the secret; other versions than v1 are skipped.
  request["webhook-signature"].to_s.split(" ").any? do |one|
    one.bytesize == expected.bytesize && OpenSSL.fixed_length_secure_compare(one, expected)
  end
end

# True once the event is on disk; false when it was there before, handled or not.
def store(id, body)
  return false if File.exist?(File.join(DONE, id))

  Tempfile.create("draft-", INBOX, binmode: true) do |file|
    file.write(body)
    file.fsync
    File.link(file.path, File.join(WAITING, id)) # Only one of two at the same time gets the name.
  end
  true
rescue Errno::EEXIST
  false
end

def handle(id, body)
  sleep 0.5 # Your work; nobody waits for it.
  puts "handled #{id} #{body}"
end

def work
  loop do
    Dir.children(WAITING).sort.each do |id|
      event, finished = File.join(WAITING, id), File.join(DONE, id)
      handle(id, File.binread(event)) unless File.exist?(finished)
      File.rename(event, finished)
    rescue StandardError => error
      warn error.full_message # It stays where it is and is tried again.
    end
    sleep 0.2
  end
end

class Receiver < WEBrick::HTTPServlet::AbstractServlet
  def do_POST(request, response)
    response.status = receive(request)
  end

  def receive(request)
    return 413 unless request.content_length.between?(0, LARGEST_BODY_BYTES)

    id, body = request["webhook-id"].to_s, request.body.to_s
    return 401 unless id.match?(/\A[\w-]{1,100}\z/) && genuine?(request, body)

    store(id, body) ? 202 : 200
  end
end

$stdout.sync = true
FileUtils.mkdir_p([WAITING, DONE])
Thread.new { work }
server = WEBrick::HTTPServer.new(BindAddress: "127.0.0.1", Port: PORT, AccessLog: [])
server.mount("/", Receiver)
%w[INT TERM].each { |signal| trap(signal) { server.shutdown } }
server.start
