package waf_test

import (
	"fmt"
	"strings"
	"testing"

	"github.com/palisade-mesh/palisade/waf-filter/waf"
)

// benchmarks are the requests of the mixed corpus, but attacks.
func benchmarks() map[string]exchange {
	values := func(n, size int) string {
		var b strings.Builder
		for i := range n {
			fmt.Fprintf(&b, `,"field%d":"%s"`, i, strings.Repeat("value ", size/6))
		}
		return "{" + b.String()[1:] + "}"
	}
	arguments := func(n int) string {
		var b strings.Builder
		for i := range n {
			fmt.Fprintf(&b, "&arg%d=some+value+%d", i, i)
		}
		return b.String()[1:]
	}
	form := make([]string, 0, 100)
	for i := range 100 {
		form = append(form, fmt.Sprintf("field%d=%s", i, strings.Repeat("some+value+", 8)))
	}
	post := func(contentType, body string) exchange {
		return exchange{method: "POST", target: "/api/v1/orders", body: body,
			headers: with("content-type", contentType, "content-length", fmt.Sprint(len(body)), "accept-encoding", "gzip")}
	}
	return map[string]exchange{
		"GET":     {target: "/search?q=shoes&page=2", headers: with("accept-language", "en", "cookie", "session=0123456789abcdef")},
		"GET20":   {target: "/search?" + arguments(20), headers: with("accept-language", "en")},
		"JSON1k":  post("application/json", values(34, 18)),
		"JSON10k": post("application/json", values(100, 90)),
		"form10k": post("application/x-www-form-urlencoded", strings.Join(form, "&")),
		"upload100k": post("multipart/form-data; boundary=b", "--b\r\nContent-Disposition: form-data; name=\"f\"; filename=\"a.txt\"\r\n"+
			"Content-Type: text/plain\r\n\r\n"+strings.Repeat("some text of a file\r\n", 4800)+"--b--\r\n"),
	}
}

func BenchmarkTransaction(b *testing.B) {
	f := compile(b, `{"profile": "crs-pl1"}`)
	for name, e := range benchmarks() {
		request := e.request()
		body := []byte(e.body)
		b.Run(name, func(b *testing.B) {
			b.ReportAllocs()
			for b.Loop() {
				var tx waf.Transaction
				step := f.Begin(&tx, &waf.Connection{ClientIP: "192.0.2.1", Protocol: "HTTP/1.1"}, request, len(body) == 0)
				if step == waf.Hold {
					step = tx.RequestBody(body, true)
				}
				if step != waf.Pass {
					b.Fatal(tx.Decision())
				}
				tx.ResponseHeaders([][2]string{{":status", "200"}, {"content-type", "application/octet-stream"}}, true)
				tx.End()
				tx.Close()
			}
		})
	}
}
