// Receives webhooks: verify, store once, answer at once, work in the background.
// .NET 8 or later, with the library of Standard Webhooks (NuGet: StandardWebhooks):
//
//   WEBHOOK_SECRET=whsec_... dotnet run
using System;
using System.IO;
using System.Linq;
using System.Net;
using System.Text;
using System.Text.RegularExpressions;
using System.Threading;
using System.Threading.Tasks;
using StandardWebhooks;

static class Program
{
    static readonly string Secret = Setting("WEBHOOK_SECRET", "");
    static readonly string Port = Setting("PORT", "3000");
    static readonly string Inbox = Setting("INBOX", "inbox");
    static readonly string Waiting = Path.Combine(Inbox, "waiting");
    static readonly string Done = Path.Combine(Inbox, "done");
    const int LargestBodyBytes = 1024 * 1024;

    static bool IsGenuine(HttpListenerRequest request, byte[] body)
    {
        try
        {
            new Webhook(Secret).Verify(Encoding.UTF8.GetString(body), (WebHeaderCollection)request.Headers);
            return true;
        }
        catch (Exception)
        {
            return false;
        }
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
        if (!Regex.IsMatch(id, @"^[A-Za-z0-9_-]{1,100}\z")) return 401;
        if (!IsGenuine(request, body.ToArray())) return 401;
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
        if (Secret.Length < 38) throw new ArgumentException("WEBHOOK_SECRET has to be whsec_ and base64.");
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
