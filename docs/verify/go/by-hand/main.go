// Receives webhooks: verify, store once, answer at once, work in the background.
// Go 1.21 or later, standard library only:
//
//	WEBHOOK_SECRET=whsec_... go run ./by-hand
package main

import (
	"crypto/hmac"
	"crypto/sha256"
	"encoding/base64"
	"errors"
	"io"
	"io/fs"
	"log"
	"net/http"
	"os"
	"path/filepath"
	"regexp"
	"strconv"
	"strings"
	"time"
)

const (
	tolerance        = 5 * time.Minute
	largestBodyBytes = 1 << 20
)

var (
	key, keyError = base64.StdEncoding.DecodeString(strings.TrimPrefix(os.Getenv("WEBHOOK_SECRET"), "whsec_"))
	port          = setting("PORT", "3000")
	inbox         = setting("INBOX", "inbox")
	waiting, done = filepath.Join(inbox, "waiting"), filepath.Join(inbox, "done")
	usableID      = regexp.MustCompile(`^[\w-]{1,100}$`)
)

func isGenuine(headers http.Header, body []byte) bool {
	timestamp := headers.Get("webhook-timestamp")
	seconds, err := strconv.ParseInt(timestamp, 10, 64)
	if err != nil || time.Since(time.Unix(seconds, 0)).Abs() > tolerance {
		return false
	}
	// Over the raw bytes: JSON that was parsed and printed again is another text.
	mac := hmac.New(sha256.New, key)
	mac.Write([]byte(headers.Get("webhook-id") + "." + timestamp + "."))
	mac.Write(body)
	expected := "v1," + base64.StdEncoding.EncodeToString(mac.Sum(nil))
	// Several during a rotation of the secret; other versions than v1 are skipped.
	for _, one := range strings.Split(headers.Get("webhook-signature"), " ") {
		if hmac.Equal([]byte(one), []byte(expected)) {
			return true
		}
	}
	return false
}

// store says whether the event is new; without an error it is on disk either way.
func store(id string, body []byte) (isNew bool, err error) {
	if _, err := os.Stat(filepath.Join(done, id)); err == nil {
		return false, nil
	}
	draft, err := os.CreateTemp(inbox, "draft-")
	if err != nil {
		return false, err
	}
	defer os.Remove(draft.Name())
	defer draft.Close()
	if _, err := draft.Write(body); err != nil {
		return false, err
	}
	if err := draft.Sync(); err != nil {
		return false, err
	}
	// Only one of two at the same time gets the name.
	err = os.Link(draft.Name(), filepath.Join(waiting, id))
	if errors.Is(err, fs.ErrExist) {
		return false, nil
	}
	return err == nil, err
}

func handle(id string, body []byte) error {
	time.Sleep(500 * time.Millisecond) // Your work; nobody waits for it.
	log.Println("handled", id, string(body))
	return nil
}

func finish(id string) error {
	event := filepath.Join(waiting, id)
	if _, err := os.Stat(filepath.Join(done, id)); err != nil {
		body, err := os.ReadFile(event)
		if err != nil {
			return err
		}
		if err := handle(id, body); err != nil {
			return err
		}
	}
	return os.Rename(event, filepath.Join(done, id))
}

func work() {
	for {
		events, _ := os.ReadDir(waiting) // Sorted by name.
		for _, event := range events {
			if err := finish(event.Name()); err != nil {
				log.Println(err) // It stays where it is and is tried again.
			}
		}
		time.Sleep(200 * time.Millisecond)
	}
}

func receive(response http.ResponseWriter, request *http.Request) {
	body, err := io.ReadAll(http.MaxBytesReader(response, request.Body, largestBodyBytes))
	if err != nil {
		response.WriteHeader(http.StatusRequestEntityTooLarge)
		return
	}
	id := request.Header.Get("webhook-id")
	if !usableID.MatchString(id) || !isGenuine(request.Header, body) {
		response.WriteHeader(http.StatusUnauthorized)
		return
	}
	switch isNew, err := store(id, body); {
	case err != nil: // Not stored: the sender tries again.
		log.Println(err)
		response.WriteHeader(http.StatusInternalServerError)
	case isNew:
		response.WriteHeader(http.StatusAccepted)
	}
}

func setting(name, otherwise string) string {
	if value := os.Getenv(name); value != "" {
		return value
	}
	return otherwise
}

func main() {
	if keyError != nil || len(key) < 24 {
		log.Fatal("WEBHOOK_SECRET has to be whsec_ and base64: ", keyError)
	}
	for _, folder := range []string{waiting, done} {
		if err := os.MkdirAll(folder, 0o700); err != nil {
			log.Fatal(err)
		}
	}
	go work()
	server := http.Server{Addr: "127.0.0.1:" + port, Handler: http.HandlerFunc(receive), ReadTimeout: 10 * time.Second}
	log.Fatal(server.ListenAndServe())
}
