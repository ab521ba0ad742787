package traffic

import (
	"bytes"
	"encoding/json"
	"fmt"
	"mime/multipart"
	"net/textproto"
	"strings"
)

type (
	object = map[string]any
	list   = []any
)

// post has a body for an API.
func (v *values) post(target string, body any) *message {
	var b bytes.Buffer
	e := json.NewEncoder(&b)
	e.SetEscapeHTML(false)
	if err := e.Encode(body); err != nil {
		panic(err) // of maps and texts
	}
	return &message{method: "POST", target: target, headers: v.client(), contentType: "application/json", body: bytes.TrimSpace(b.Bytes())}
}

// order is a JSON body of about 1 kB, with 34 values.
func (v *values) order() *message {
	item := func() object {
		return object{"sku": v.hex(10), "name": v.product(), "quantity": v.between(1, 5), "price": json.Number(v.price()), "color": v.of(colors)}
	}
	return v.post("/api/v2/orders", object{
		"id": v.uuid(), "created": v.timestamp(), "currency": v.of(currencies), "status": v.of(statuses), "express": v.IntN(2) == 0,
		"customer": object{"id": v.between(1000, 999999), "name": v.name(), "email": v.email(), "phone": v.phone(), "newsletter": v.IntN(2) == 0},
		"shipping": object{"name": v.name(), "street": v.street(), "city": v.of(cities), "zip": v.number(1000, 99999), "country": v.of(countries)},
		"payment":  object{"method": "card", "token": v.base64(40), "amount": json.Number(v.price())},
		"items":    list{item(), item(), item()},
		"note":     v.remark(),
	})
}

// catalog is a JSON body of 10 kB.
func (v *values) catalog() *message {
	var products list
	for size := 0; size < 10_000-200; {
		p := object{
			"id": v.uuid(), "name": v.product(), "description": v.remark(), "price": json.Number(v.price()),
			"currency": v.of(currencies), "stock": v.IntN(1000), "url": v.url(), "updated": v.timestamp(), "active": v.IntN(4) > 0,
			"tags":    list{strings.ToLower(v.of(categories)), v.of(colors), strings.ToLower(v.of(materials))},
			"reviews": list{object{"by": v.name(), "stars": v.between(1, 5), "text": v.remark()}},
		}
		text, err := json.Marshal(p)
		if err != nil {
			panic(err) // of maps and texts
		}
		size += len(text) + 1
		products = append(products, p)
	}
	return v.post("/api/v2/catalog/import", object{"source": v.of(webHosts), "batch": v.between(1, 1e6), "products": products})
}

// application is a form of 10 kB: somebody applies for a job.
func (v *values) application() *message {
	fields := []string{
		"csrf_token", v.hex(32), "name", v.name(), "email", v.email(), "phone", v.phone(), "street", v.street(), "city", v.of(cities),
		"zip", v.number(1000, 99999), "country", v.of(countries), "birthday", v.date(), "website", v.url(), "salary", v.price(),
	}
	for i, size := 0, 600; size < 10_000; i++ {
		from, to := v.date(), v.date()
		text := v.text(v.between(150, 600))
		name := func(s string) string { return fmt.Sprintf("experience[%d][%s]", i, s) }
		some := []string{name("employer"), v.of(familyNames) + " & " + v.of(familyNames) + " Ltd.", name("from"), from, name("to"), to, name("tasks"), text}
		size += len(pairs(some...)) + 1
		fields = append(fields, some...)
	}
	return &message{
		method: "POST", target: "/jobs/" + v.number(100, 999) + "/apply", headers: v.browser(),
		contentType: "application/x-www-form-urlencoded", body: []byte(pairs(fields...)),
	}
}

// upload is a form with a file, 100 kB in all: a picture, a table or a text.
func (v *values) upload() *message {
	var b bytes.Buffer
	w := multipart.NewWriter(&b)
	must := func(err error) {
		if err != nil {
			panic(err) // of a buffer
		}
	}
	must(w.SetBoundary("----WebKitFormBoundary" + v.hex(16)))
	must(w.WriteField("title", v.product()))
	must(w.WriteField("description", v.text(200)))
	must(w.WriteField("taken", v.timestamp()))
	var kind, extension string
	content := make([]byte, 0, 101_000)
	const size = 100_000
	switch v.IntN(3) {
	case 0:
		kind, extension = "image/jpeg", "jpg"
		content = append(content, "\xff\xd8\xff\xe0\x00\x10JFIF\x00"...)
		content = append(content, v.bytes(size-len(content))...)
	case 1:
		kind, extension = "text/csv", "csv"
		for len(content) < size {
			content = fmt.Appendf(content, "%s;%q;%s;%s;%s\r\n", v.uuid(), v.name(), v.email(), v.price(), v.timestamp())
		}
	default:
		kind, extension = "text/plain", "txt"
		for len(content) < size {
			content = append(append(content, v.sentence()...), '\n')
		}
	}
	part, err := w.CreatePart(textproto.MIMEHeader{
		"Content-Disposition": {fmt.Sprintf(`form-data; name="file"; filename="%s.%s"`, v.slug(), extension)},
		"Content-Type":        {kind},
	})
	must(err)
	_, err = part.Write(content)
	must(err)
	must(w.Close())
	return &message{
		method: "POST", target: "/account/files", headers: v.browser(), contentType: w.FormDataContentType(), body: b.Bytes(),
	}
}
