package waf_test

import (
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/palisade-mesh/palisade/waf-filter/waf"
)

// A worker has many streams under way, whose phases follow each other in any order: what is known of one is not taken for another.
func TestScreeningOfInterleavedStreams(t *testing.T) {
	const limited = `{"rules": ["Include @recommended-conf", "SecRuleEngine DetectionOnly", "SecRequestBodyLimit 60", "SecRequestBodyLimitAction ProcessPartial",
		"Include @ftw-conf", "Include @owasp_crs/*.conf"]}`
	const form = "application/x-www-form-urlencoded"
	post := func(target, body string) exchange {
		return exchange{method: "POST", target: target, headers: with("content-type", form), body: body}
	}
	const attack, harmless = "1'%20union%20select%202%20--", "harmless"
	long := "&b=harmless+harmless+harmless+harmless+harmless+harmless"
	exchanges := []exchange{
		post("/?a="+harmless, "a="+harmless), post("/?a="+attack, "a="+harmless), post("/?a="+harmless, "a="+attack),
		post("/?a="+harmless, "a="+harmless+long), post("/?a="+attack, "a="+harmless+long), post("/?a="+harmless, "a="+attack+long),
		{method: "GET", target: "/?a=" + attack}, {method: "GET", target: "/?a=" + harmless},
	}
	for name, configuration := range map[string]string{"whole bodies": leveled(2), "parts of bodies": limited} {
		screened, plain := screenedAndPlain(t, configuration)
		for _, order := range [][2]int{{1, 0}, {0, 1}} { // who is first in the headers, and in the body
			for i := range exchanges {
				for j := range exchanges {
					pair := [2]*exchange{&exchanges[i], &exchanges[j]}
					for _, early := range []bool{false, true} {
						require.Equal(t, inTurn(plain, pair, order, early), inTurn(screened, pair, order, early),
							"%s: %d, %d in order %v, %v", name, i, j, order, early)
					}
				}
			}
		}
	}
}

// inTurn gives the traces of two exchanges whose parts arrive in turn.
func inTurn(f *waf.Firewall, pair [2]*exchange, order [2]int, early bool) (traces [2]string) {
	var txs [2]waf.Transaction
	var held [2]bool
	for i, e := range pair {
		held[i] = f.Begin(&txs[i], &waf.Connection{ClientIP: "192.0.2.1", Protocol: "HTTP/1.1"}, e.request(), e.body == "") == waf.Hold
	}
	for _, i := range order {
		if body := pair[i].body; held[i] {
			txs[i].RequestBody([]byte(body[:1]), false)
		}
	}
	for n, i := range order {
		body := pair[i].body
		switch {
		case !held[i]:
		case n == 1 && early: // an answer that does not wait for the request's end
			txs[i].ResponseHeaders([][2]string{{":status", "200"}}, true)
		default:
			txs[i].RequestBody([]byte(body[1:]), true)
		}
	}
	for i := range txs {
		txs[i].End()
		traces[i] = txs[i].Trace()
		txs[i].Close()
	}
	return traces
}

// Rules look for headers whatever the case of their names.
func TestScreeningOfNames(t *testing.T) {
	screened, plain := screenedAndPlain(t, leveled(4))
	for _, name := range []string{"user-agent", "User-Agent", "USER-AGENT"} {
		e := exchange{headers: [][2]string{{name, "arachni"}}}
		want := trace(t, plain, &e)
		require.Contains(t, want, "913100")
		require.Equal(t, want, trace(t, screened, &e))
	}
}
