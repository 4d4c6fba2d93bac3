// The contract of ../contract.ts through the official Go SDK.
package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"net/url"
	"os"
	"path/filepath"
	"strings"
	"time"

	svix "github.com/svix/svix-webhooks/go"
	"github.com/svix/svix-webhooks/go/models"
)

type object = map[string]any
type list = []any

var (
	ctx      = context.Background()
	receiver = os.Getenv("RECEIVER_URL")
	arrivals = os.Getenv("ARRIVALS")
	payload  = object{"invoice": 42, "name": "Zoë"}
)

func must[T any](value T, err error) T {
	check(err)
	return value
}

func check(err error) {
	if err != nil {
		panic(err)
	}
}

func to[T any](value T) *T { return &value }

func connect(token string) *svix.Svix {
	server := must(url.Parse(os.Getenv("POSTHORN_URL")))
	return must(svix.New(token, &svix.SvixOptions{ServerUrl: server}))
}

// What the SDK returns for an answer that is an error.
func failure[T any](_ T, err error) object {
	var known *svix.Error
	if !errors.As(err, &known) {
		return object{"not the SDK's": fmt.Sprint(err)}
	}
	out := object{}
	check(json.Unmarshal(known.Body(), &out))
	out["status"] = known.Status()
	return out
}

func until[T any](ask func() T, isWanted func(T) bool) T {
	end := time.Now().Add(30 * time.Second)
	for {
		answer := ask()
		if isWanted(answer) {
			return answer
		}
		if time.Now().After(end) {
			panic(fmt.Sprintf("still %v", answer))
		}
		time.Sleep(20 * time.Millisecond)
	}
}

func each[T any](items []T, show func(T) any) list {
	out := list{}
	for _, item := range items {
		out = append(out, show(item))
	}
	return out
}

// What the receiver took, verified with the SDK.
func delivered(id string, secret string) object {
	path := filepath.Join(arrivals, id)
	text := until(func() []byte {
		text, _ := os.ReadFile(path + ".headers")
		return text
	}, func(text []byte) bool { return text != nil })
	headers := http.Header{}
	for _, line := range strings.Split(strings.TrimSpace(string(text)), "\n") {
		name, value, _ := strings.Cut(line, ": ")
		headers.Set(name, value)
	}
	body := must(os.ReadFile(path + ".body"))
	webhook := must(svix.NewWebhook(secret))
	check(webhook.Verify(body, headers))
	forged := "taken"
	if webhook.Verify(append(body, ' '), headers) != nil {
		forged = "refused"
	}
	var tenant any
	if value := headers.Get("x-tenant"); value != "" {
		tenant = value
	}
	return object{
		"body":        string(body),
		"contentType": headers.Get("content-type"),
		"tenant":      tenant,
		"forged":      forged,
	}
}

func showApp(one *models.ApplicationOut) object {
	return object{"name": one.Name, "uid": one.Uid, "metadata": one.Metadata}
}

func showEndpoint(one *models.EndpointOut) object {
	return object{
		"uid":         one.Uid,
		"path":        strings.Replace(one.Url, receiver, "", 1),
		"description": one.Description,
		"eventTypes":  one.FilterTypes,
		"channels":    one.Channels,
		"metadata":    one.Metadata,
		"disabled":    one.Disabled,
	}
}

func showAttempt(one models.MessageAttemptOut) any {
	return object{
		"status":     one.Status,
		"statusText": one.StatusText,
		"code":       one.ResponseStatusCode,
		"trigger":    one.TriggerType,
		"response":   one.Response,
		"path":       strings.Replace(one.Url, receiver, "", 1),
	}
}

func main() {
	client := connect(os.Getenv("POSTHORN_TOKEN"))
	report := object{}
	configure(client, report)
	secret, mainId := endpoints(client, report)
	deliver(client, report, secret, mainId)
	recoverLost(client, report)
	refuse(client, report)
	paginate(client, report)
	end(client, report)
	check(json.NewEncoder(os.Stdout).Encode(report))
}

func configure(client *svix.Svix, report object) {
	app := must(client.Application.Create(ctx, models.ApplicationIn{
		Name: "Customer", Uid: to("sdk"), Metadata: &map[string]string{"plan": "gold"},
	}, nil))
	report["application.create"] = showApp(app)
	report["application.create"].(object)["id"] = app.Id[:4]
	same := must(client.Application.GetOrCreate(ctx, models.ApplicationIn{Name: "Other", Uid: to("sdk")}, nil))
	report["application.getOrCreate"] = object{"name": same.Name, "same": same.Id == app.Id}
	must(client.Application.Patch(ctx, "sdk", models.ApplicationPatch{Name: to("Patched")}))
	report["application.patch"] = showApp(must(client.Application.Get(ctx, "sdk")))
	report["application.upsert"] = showApp(must(client.Application.Update(
		ctx, "sdk", models.ApplicationIn{Name: "Updated", Uid: to("sdk")})))
	must(client.Application.Create(ctx, models.ApplicationIn{Name: "Second", Uid: to("second")}, nil))
	options := &svix.ApplicationListOptions{Limit: to(uint64(1))}
	pages := list{}
	for range [2]int{} {
		page := must(client.Application.List(ctx, options))
		pages = append(pages, append(each(page.Data, func(one models.ApplicationOut) any { return one.Uid }), page.Done))
		options.Iterator = page.Iterator
	}
	report["application.list"] = pages
	check(client.Application.Delete(ctx, "second"))
	report["application.delete"] = failure(client.Application.Get(ctx, "second"))

	nameOf := func(one models.EventTypeOut) any { return one.Name }
	paid := must(client.EventType.Create(ctx, models.EventTypeIn{
		Name: "invoice.paid", Description: "An invoice was paid"}, nil))
	report["eventType.create"] = object{
		"name": paid.Name, "description": paid.Description, "archived": paid.Archived, "deprecated": paid.Deprecated,
	}
	must(client.EventType.Create(ctx, models.EventTypeIn{Name: "invoice.void", Description: "Void"}, nil))
	report["eventType.upsert"] = must(client.EventType.Update(
		ctx, "invoice.void", models.EventTypeUpdate{Description: "Voided"})).Description
	patched := must(client.EventType.Patch(ctx, "invoice.void", models.EventTypePatch{Deprecated: to(true)}))
	report["eventType.patch"] = object{"description": patched.Description, "deprecated": patched.Deprecated}
	report["eventType.list"] = each(must(client.EventType.List(ctx, nil)).Data, nameOf)
	check(client.EventType.Delete(ctx, "invoice.void", nil))
	report["eventType.delete"] = object{
		"listed":   each(must(client.EventType.List(ctx, nil)).Data, nameOf),
		"archived": must(client.EventType.Get(ctx, "invoice.void")).Archived,
	}
	report["eventType.conflict"] = failure(client.EventType.Create(ctx, models.EventTypeIn{
		Name: "invoice.paid", Description: "Again"}, nil))
}

func endpoints(client *svix.Svix, report object) (string, string) {
	headers := func() *models.EndpointHeadersOut { return must(client.Endpoint.GetHeaders(ctx, "sdk", "main")) }
	main := must(client.Endpoint.Create(ctx, "sdk", models.EndpointIn{
		Url:         receiver + "/take",
		Uid:         to("main"),
		Description: to("Main"),
		FilterTypes: []string{"invoice.paid"},
		Channels:    []string{"eu"},
		Metadata:    &map[string]string{"team": "a"},
		Headers:     &map[string]string{"x-tenant": "acme"},
	}, nil))
	report["endpoint.create"] = showEndpoint(main)
	report["endpoint.getHeaders"] = headers()
	check(client.Endpoint.UpdateHeaders(ctx, "sdk", "main", models.EndpointHeadersIn{
		Headers: map[string]string{"x-region": "eu", "authorization": "secret"}}))
	report["endpoint.setHeaders"] = headers()
	check(client.Endpoint.PatchHeaders(ctx, "sdk", "main", models.EndpointHeadersPatchIn{
		Headers: map[string]string{"x-tenant": "acme"}, DeleteHeaders: []string{"authorization"}}))
	report["endpoint.patchHeaders"] = headers()
	must(client.Endpoint.Patch(ctx, "sdk", "main", models.EndpointPatch{Description: to("Patched")}))
	report["endpoint.patch"] = showEndpoint(must(client.Endpoint.Get(ctx, "sdk", "main")))
	report["endpoint.upsert"] = showEndpoint(must(client.Endpoint.Update(ctx, "sdk", "main", models.EndpointUpdate{
		Url:         receiver + "/take",
		Uid:         to("main"),
		Description: to("Updated"),
		FilterTypes: []string{"invoice.paid"},
		Channels:    []string{"eu"},
	})))
	before := must(client.Endpoint.GetSecret(ctx, "sdk", "main")).Key
	check(client.Endpoint.RotateSecret(ctx, "sdk", "main", models.EndpointSecretRotateIn{}, nil))
	secret := must(client.Endpoint.GetSecret(ctx, "sdk", "main")).Key
	report["endpoint.rotateSecret"] = object{"prefix": secret[:6], "changed": secret != before}
	return secret, main.Id
}

func attemptsOf(client *svix.Svix, id string, options svix.MessageAttemptListByMsgOptions) []models.MessageAttemptOut {
	return must(client.MessageAttempt.ListByMsg(ctx, "sdk", id, &options)).Data
}

func untilAttempts(client *svix.Svix, id string, count int) []models.MessageAttemptOut {
	return until(func() []models.MessageAttemptOut {
		return attemptsOf(client, id, svix.MessageAttemptListByMsgOptions{WithContent: to(true)})
	}, func(all []models.MessageAttemptOut) bool { return len(all) == count })
}

func deliver(client *svix.Svix, report object, secret string, mainId string) {
	sent := must(client.Message.Create(ctx, "sdk", models.MessageIn{
		EventType: "invoice.paid", EventId: to("event-1"), Channels: []string{"eu"}, Payload: payload,
	}, nil))
	report["message.create"] = object{
		"eventType": sent.EventType, "eventId": sent.EventId, "channels": sent.Channels, "id": sent.Id[:4],
	}
	report["delivery"] = delivered(sent.Id, secret)
	with := must(client.Message.Get(ctx, "sdk", sent.Id, &svix.MessageGetOptions{WithContent: to(true)}))
	without := must(client.Message.Get(ctx, "sdk", "event-1", &svix.MessageGetOptions{WithContent: to(false)}))
	report["message.get"] = list{with.Payload, without.Payload, without.Id == sent.Id}
	found := func(options svix.MessageListOptions) []models.MessageOut {
		return must(client.Message.List(ctx, "sdk", &options)).Data
	}
	payloadOf := func(one models.MessageOut) any { return one.Payload }
	anHourAgo := time.Now().Add(-time.Hour)
	report["message.list"] = object{
		"withContent":    each(found(svix.MessageListOptions{WithContent: to(true)}), payloadOf),
		"withoutContent": each(found(svix.MessageListOptions{WithContent: to(false)}), payloadOf),
		"channel": list{
			len(found(svix.MessageListOptions{Channel: to("eu")})),
			len(found(svix.MessageListOptions{Channel: to("us")})),
		},
		"eventTypes": list{
			len(found(svix.MessageListOptions{EventTypes: &[]string{"invoice.paid"}})),
			len(found(svix.MessageListOptions{EventTypes: &[]string{"other"}})),
		},
		"time": list{
			len(found(svix.MessageListOptions{After: &anHourAgo})),
			len(found(svix.MessageListOptions{Before: &anHourAgo})),
		},
	}

	attempts := untilAttempts(client, sent.Id, 1)
	report["messageAttempt.listByMsg"] = each(attempts, showAttempt)
	report["messageAttempt.withoutContent"] = each(
		attemptsOf(client, sent.Id, svix.MessageAttemptListByMsgOptions{WithContent: to(false)}),
		func(one models.MessageAttemptOut) any { return one.Response })
	report["messageAttempt.listByEndpoint"] = each(
		must(client.MessageAttempt.ListByEndpoint(ctx, "sdk", "main",
			&svix.MessageAttemptListByEndpointOptions{WithContent: to(true)})).Data,
		func(one models.MessageAttemptOut) any {
			return list{one.Id == attempts[0].Id, one.MsgId == sent.Id, one.EndpointId == mainId}
		})
	report["messageAttempt.get"] = showAttempt(*must(client.MessageAttempt.Get(ctx, "sdk", sent.Id, attempts[0].Id, nil)))
	report["messageAttempt.listAttemptedDestinations"] = each(
		must(client.MessageAttempt.ListAttemptedDestinations(ctx, "sdk", sent.Id, nil)).Data,
		func(one models.MessageEndpointOut) any {
			return object{"uid": one.Uid, "status": one.Status, "statusText": one.StatusText}
		})
	report["messageAttempt.listAttemptedMessages"] = each(
		must(client.MessageAttempt.ListAttemptedMessages(ctx, "sdk", "main", nil)).Data,
		func(one models.EndpointMessageOut) any {
			return object{"eventId": one.EventId, "status": one.Status, "statusText": one.StatusText}
		})
	must(client.MessageAttempt.Resend(ctx, "sdk", sent.Id, "main", nil))
	report["messageAttempt.resend"] = each(untilAttempts(client, sent.Id, 2),
		func(one models.MessageAttemptOut) any { return list{one.Status, one.TriggerType} })
	stats := must(client.Endpoint.GetStats(ctx, "sdk", "main", nil))
	report["endpoint.getStats"] = object{
		"hasSuccess": stats.Success > 0,
		"rest":       list{stats.Fail, stats.Pending, stats.Sending, stats.Canceled},
	}

	// A body that no parser prints again like this.
	raw := svix.NewMessageInRaw("invoice.paid", `{ "ü": 1.0 }`, to("application/vnd.api+json"))
	raw.Channels = []string{"eu"}
	report["messageInRaw"] = delivered(must(client.Message.Create(ctx, "sdk", *raw, nil)).Id, secret)
}

func recoverLost(client *svix.Svix, report object) {
	must(client.Endpoint.Create(ctx, "sdk", models.EndpointIn{
		Url: receiver + "/refuse", Uid: to("broken"), Channels: []string{"us"}}, nil))
	lost := must(client.Message.Create(ctx, "sdk", models.MessageIn{
		EventType: "invoice.paid", Channels: []string{"us"}, Payload: payload}, nil))
	failed := untilAttempts(client, lost.Id, 1)
	withStatus := func(status models.MessageStatus) int {
		return len(attemptsOf(client, lost.Id, svix.MessageAttemptListByMsgOptions{Status: &status}))
	}
	report["failure"] = object{
		"attempts": each(failed, showAttempt),
		"byStatus": list{withStatus(models.MESSAGESTATUS_FAIL), withStatus(models.MESSAGESTATUS_SUCCESS)},
	}
	must(client.Endpoint.Patch(ctx, "sdk", "broken", models.EndpointPatch{Url: to(receiver + "/take")}))
	task := must(client.Endpoint.Recover(ctx, "sdk", "broken", models.RecoverIn{
		Since: lost.Timestamp.Add(-time.Second)}, nil))
	report["endpoint.recover"] = object{"task": task.Task, "id": task.Id[:6]}
	report["recovered"] = delivered(lost.Id, must(client.Endpoint.GetSecret(ctx, "sdk", "broken")).Key)
	done := until(
		func() *models.BackgroundTaskOut { return must(client.BackgroundTask.Get(ctx, task.Id)) },
		func(one *models.BackgroundTaskOut) bool { return one.Status == models.BACKGROUNDTASKSTATUS_FINISHED })
	report["backgroundTask.get"] = object{"task": done.Task, "status": done.Status, "same": done.Id == task.Id}
	report["recovered.attempts"] = each(untilAttempts(client, lost.Id, 2),
		func(one models.MessageAttemptOut) any {
			return object{"status": one.Status, "statusText": one.StatusText}
		})
}

func refuse(client *svix.Svix, report object) {
	access := must(client.Authentication.AppPortalAccess(ctx, "sdk", models.AppPortalAccessIn{}, nil))
	customer := connect(access.Token)
	report["authentication.appPortalAccess"] = object{
		"scheme": access.Url[:4],
		"name":   must(customer.Application.Get(ctx, "sdk")).Name,
		"endpoints": each(must(customer.Endpoint.List(ctx, "sdk", nil)).Data,
			func(one models.EndpointOut) any { return one.Uid }),
		"list": failure(customer.Application.List(ctx, nil)),
	}

	message := models.MessageIn{EventType: "invoice.paid", Payload: payload}
	again := models.MessageIn{EventType: "invoice.paid", EventId: to("event-1"), Payload: payload}
	report["errors"] = object{
		"notFound":     failure(client.Message.Create(ctx, "nobody", message, nil)),
		"conflict":     failure(client.Message.Create(ctx, "sdk", again, nil)),
		"exists":       failure(client.Application.Create(ctx, models.ApplicationIn{Name: "Twice", Uid: to("sdk")}, nil)),
		"invalid":      failure(client.Application.Create(ctx, models.ApplicationIn{Name: "", Uid: to("a b")}, nil)),
		"unauthorized": failure(connect("wrong").Application.List(ctx, nil)),
	}

	keyed := func(text string, key string) (*models.MessageOut, error) {
		return client.Message.Create(ctx, "sdk", models.MessageIn{
			EventType: "invoice.paid", Payload: object{"text": text},
		}, &svix.MessageCreateOptions{IdempotencyKey: &key})
	}
	first := must(keyed("a", "key-1"))
	differs := failure(keyed("b", "key-1"))
	report["idempotency"] = object{
		"sameKey":   must(keyed("a", "key-1")).Id == first.Id,
		"otherKey":  must(keyed("a", "key-2")).Id == first.Id,
		"otherBody": list{differs["status"], differs["detail"].(list)[0].(object)["loc"]},
	}
}

func paginate(client *svix.Svix, report object) {
	must(client.Application.Create(ctx, models.ApplicationIn{Name: "Pages", Uid: to("pages")}, nil))
	for i := 0; i < 300; i++ {
		must(client.Message.Create(ctx, "pages", models.MessageIn{
			EventType: "page", EventId: to(fmt.Sprintf("page-%d", i)), Payload: object{"i": i}}, nil))
	}
	options := &svix.MessageListOptions{Limit: to(uint64(70)), WithContent: to(false)}
	seen := []string{}
	pages := 0
	var page *models.ListResponseMessageOut
	for page == nil || !page.Done {
		page = must(client.Message.List(ctx, "pages", options))
		for _, one := range page.Data {
			seen = append(seen, *one.EventId)
		}
		pages++
		options.Iterator = page.Iterator
	}
	newestFirst := true
	for index, id := range seen {
		newestFirst = newestFirst && id == fmt.Sprintf("page-%d", 299-index)
	}
	options.Iterator = page.PrevIterator
	back := must(client.Message.List(ctx, "pages", options)).Data
	report["pagination"] = object{
		"pages":       pages,
		"seen":        len(seen),
		"newestFirst": newestFirst,
		"back":        list{len(back), back[0].EventId, back[len(back)-1].EventId},
	}
}

func end(client *svix.Svix, report object) {
	content := &svix.MessageGetOptions{WithContent: to(true)}
	sent := must(client.Message.Get(ctx, "sdk", "event-1", content))
	check(client.Message.ExpungeContent(ctx, "sdk", sent.Id))
	report["message.expungeContent"] = must(client.Message.Get(ctx, "sdk", sent.Id, content)).Payload
	check(client.Endpoint.Delete(ctx, "sdk", "main"))
	report["endpoint.delete"] = failure(client.Endpoint.Get(ctx, "sdk", "main"))
}
