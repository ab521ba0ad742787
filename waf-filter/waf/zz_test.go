package waf_test

import (
	"bufio"
	"bytes"
	"fmt"
	"io"
	"net/http"
	"strings"
	"testing"

	"github.com/palisade-mesh/palisade/e2e/bench/traffic"
	"github.com/palisade-mesh/palisade/waf-filter/waf"
)

type parsed struct {
	headers [][2]string
	body    []byte
}

func loadTraffic(b testing.TB, s traffic.Scenario) []parsed {
	var out []parsed
	for _, r := range s.Pool()[:300] {
		q, err := http.ReadRequest(bufio.NewReader(bytes.NewReader(r.Wire)))
		if err != nil {
			b.Fatal(err)
		}
		p := parsed{headers: [][2]string{{":method", q.Method}, {":path", q.RequestURI}, {":authority", q.Host}, {":scheme", "http"}}}
		for n, vs := range q.Header {
			for _, v := range vs {
				p.headers = append(p.headers, [2]string{strings.ToLower(n), v})
			}
		}
		p.body, _ = io.ReadAll(q.Body)
		if len(p.body) > 0 {
			p.headers = append(p.headers, [2]string{"content-length", fmt.Sprint(len(p.body))})
		}
		out = append(out, p)
	}
	return out
}

func run(b testing.TB, f *waf.Firewall, p *parsed) string {
	var tx waf.Transaction
	step := f.Begin(&tx, &waf.Connection{ClientIP: "192.0.2.1", Protocol: "HTTP/1.1"}, p.headers, len(p.body) == 0)
	if step == waf.Hold {
		step = tx.RequestBody(p.body, true)
	}
	if step == waf.Pass {
		tx.ResponseHeaders([][2]string{{":status", "200"}, {"content-type", "application/octet-stream"}}, true)
	}
	tx.End()
	out := tx.DebugMay()
	tx.Close()
	return out
}

func BenchmarkTraffic(b *testing.B) {
	f, plain := screenedAndPlain(b, `{"profile": "crs-pl1"}`)
	for _, s := range traffic.Scenarios() {
		list := loadTraffic(b, s)
		for name, f := range map[string]*waf.Firewall{"screened": f, "plain": plain} {
			b.Run(s.Name+"/"+name, func(b *testing.B) {
				i := 0
				for b.Loop() {
					run(b, f, &list[i%len(list)])
					i++
				}
			})
		}
	}
}

func TestZZ(t *testing.T) {
	f, _ := screenedAndPlain(t, `{"profile": "crs-pl1"}`)
	for _, s := range traffic.Scenarios() {
		list := loadTraffic(t, s)
		count := map[string]int{}
		for i := range list {
			count[run(t, f, &list[i])]++
		}
		fmt.Println(s.Name)
		for k, v := range count {
			fmt.Println("   ", v, k)
		}
	}
}
