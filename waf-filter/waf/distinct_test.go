package waf_test

import (
	"fmt"
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
)

// Each value is inspected, whatever of the request other rules have looked at. What the engine keeps of a value for other rules
// depends on the order of Go's maps, which is another one each time: hence the repetitions.
func TestEachValueIsInspected(t *testing.T) {
	f := compile(t, `{"rules": ["SecRuleEngine On", "SecRequestBodyAccess On",
		"SecRule REQUEST_HEADERS:Content-Type \"@contains json\" \"id:1,phase:1,pass,nolog,ctl:requestBodyProcessor=JSON\"",
		"SecRule ARGS|REQUEST_COOKIES|ARGS_NAMES|MULTIPART_PART_HEADERS \"@contains nothing\" \"id:2,phase:2,pass,t:lowercase\"",
		"SecRule ARGS|REQUEST_COOKIES|!ARGS:q|!ARGS:json.q|!REQUEST_COOKIES:q \"@contains attack\" \"id:3,phase:2,deny,t:lowercase\"",
		"SecRule ARGS|REQUEST_COOKIES|MULTIPART_PART_HEADERS \"@contains attack\" \"id:4,phase:2,pass,t:lowercase\""
	]}`)
	form := func(contentType, body string) exchange {
		return exchange{method: "POST", headers: with("content-type", contentType), body: body}
	}
	multipart := func(names ...string) string {
		body := ""
		for _, n := range names {
			body += "--b\r\nContent-Disposition: form-data" + n + "\r\n\r\n"
			if len(body) < 200 {
				body += "harmless\r\n"
			}
		}
		return body + "attack\r\n--b--\r\n"
	}
	const urlencoded = "application/x-www-form-urlencoded"
	for name, e := range map[string]exchange{
		"query":                    {target: "/?q=1&a=harmless&a=attack"},
		"query without names":      {target: "/?q=1&=harmless&=attack"},
		"cookies":                  {headers: with("cookie", "q=1; a=harmless; a=attack")},
		"cookies without names":    {headers: with("cookie", "q=1; =harmless; =attack")},
		"cookies of several lines": {headers: with("cookie", "q=1; a=harmless", "cookie", "A=harmless; a=attack")},
		"form":                     form(urlencoded, "q=1&a=harmless&a=attack"),
		"form without q":           form(urlencoded, "b=1&a=harmless&a=harmless&a=attack"),
		"form, another case":       form(urlencoded, "q=1&A=harmless&a=harmless&a=attack"),
		"form without names":       form(urlencoded, "q=1&=harmless&=attack"),
		"JSON":                     form("application/json", `{"q":1,"a":"harmless","a":"attack"}`),
		"JSON of one path":         form("application/json", `{"q":1,"a":{"b":"harmless"},"a.b":"attack"}`),
		"multipart":                form("multipart/form-data; boundary=b", multipart("; name=q", "; name=a", "; name=a")),
		"multipart without names":  form("multipart/form-data; boundary=b", multipart("; name=q", "", "")),
	} {
		t.Run(name, func(t *testing.T) {
			for range 50 {
				tx := e.through(t, f, 1000)
				assert.Equal(t, "3", tx.Decision().Rule)
				tx.Close()
			}
		})
	}
}

// A rule that looks at what another one has matched sees that, and not what a third one has.
func TestEachMatchIsInspected(t *testing.T) {
	for i, chained := range []string{
		`MATCHED_VAR \"@contains attack\" \"t:lowercase\"`,
		`MATCHED_VAR \"@contains attack\" \"t:trim,t:none,t:lowercase\"`,
		`MATCHED_VARS|MATCHED_VAR \"@contains attack\" \"t:none, t:lowercase,msg:'a, t:none'\"`,
		`MATCHED_VAR \"@contains attack\" \"msg:'no transformation'\"`,
		`&RULE|MATCHED_VAR_NAME \"@contains :b\" \"t:lowercase\"`,
	} {
		t.Run(fmt.Sprint(i), func(t *testing.T) {
			f := compile(t, `{"rules": ["SecRuleEngine On",
				"SecRule REQUEST_HEADERS:a \"@rx .\" \"id:1,phase:1,pass,chain\"", "SecRule `+chained+`",
				"SecRule REQUEST_HEADERS:b \"@rx .\" \"id:2,phase:1,deny,chain\"", "SecRule `+chained+`"
			]}`)
			e := exchange{headers: [][2]string{{"a", "harmless"}, {"b", "attack"}}}
			assert.Equal(t, "2", e.through(t, f, 1).Decision().Rule)
		})
	}
}

// Cookies are no arguments to the engine, and cost as much.
func TestTooManyCookies(t *testing.T) {
	f := compile(t, `{"rules": ["Include @recommended-conf", "SecRuleEngine On"]}`)
	for rule, cookies := range map[string]string{"": strings.Repeat("a=b;", 1000), "200004": strings.Repeat("a;", 1001)} {
		e := exchange{headers: with("cookie", cookies)}
		assert.Equal(t, rule, e.through(t, f, 1).Decision().Rule)
	}
}
