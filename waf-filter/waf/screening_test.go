package waf_test

import (
	"bytes"
	"encoding/json"
	"fmt"
	"io/fs"
	"math/rand/v2"
	"net/url"
	"regexp/syntax"
	"strings"
	"testing"
	"unicode/utf8"

	coreruleset "github.com/corazawaf/coraza-coreruleset/v4"
	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/palisade-mesh/palisade/waf-filter/waf"
)

// screenedAndPlain are two firewalls of a configuration: of one the engine evaluates every rule.
func screenedAndPlain(t testing.TB, configuration string) (screened, plain *waf.Firewall) {
	t.Helper()
	screened = compile(t, configuration)
	defer waf.SetScreening(waf.SetScreening(false))
	return screened, compile(t, configuration)
}

// leveled is the Core Rule Set at a paranoia level, which blocks nothing, so that all rules show what they make of a request.
func leveled(level int) string {
	return fmt.Sprintf(`{"rules": ["Include @recommended-conf", "SecRuleEngine DetectionOnly", "Include @ftw-conf",
		"SecAction \"id:900000,phase:1,pass,nolog,setvar:tx.blocking_paranoia_level=%d,setvar:tx.detection_paranoia_level=%d\"",
		"Include @api-conf", "Include @owasp_crs/*.conf"]}`, level, level)
}

// TestScreeningChangesNothing sends random requests, most of them with pieces of attacks, through both.
func TestScreeningChangesNothing(t *testing.T) {
	for level := 1; level <= 4; level++ {
		t.Run(fmt.Sprint("paranoia level ", level), func(t *testing.T) {
			random := rand.New(rand.NewPCG(uint64(level), 1))
			g := newAttacks(t, random)
			screened, plain := screenedAndPlain(t, leveled(level))
			for range 150 {
				g.compare(t, screened, plain)
			}
		})
	}
}

func FuzzScreening(f *testing.F) {
	for seed := range uint64(20) {
		f.Add(seed, seed)
	}
	screened, plain := screenedAndPlain(f, leveled(4))
	g := newAttacks(f, nil)
	f.Fuzz(func(t *testing.T, a, b uint64) {
		g.Rand = rand.New(rand.NewPCG(a, b))
		for range 5 {
			g.compare(t, screened, plain)
		}
	})
}

func TestScreeningOfBenignRequests(t *testing.T) {
	screened, plain := screenedAndPlain(t, `{"profile": "crs-pl1"}`)
	for _, e := range loadBenign(t) {
		tx := e.through(t, screened, 100)
		require.Equal(t, e.through(t, plain, 100).Trace(), tx.Trace())
		assert.NotZero(t, tx.LedPast(), "%s %s: the engine evaluated everything", e.method, e.target)
	}
}

// attacks makes requests of what rules look for.
type attacks struct {
	*rand.Rand
	expressions []*syntax.Regexp
	phrases     []string
}

func newAttacks(t testing.TB, random *rand.Rand) *attacks {
	g := &attacks{Rand: random}
	files, err := fs.Glob(coreruleset.FS, "@owasp_crs/*")
	require.NoError(t, err)
	for _, name := range files {
		text, err := fs.ReadFile(coreruleset.FS, name)
		require.NoError(t, err)
		for line := range strings.Lines(string(text)) {
			line = strings.TrimSpace(line)
			if strings.HasSuffix(name, ".data") {
				if line != "" && line[0] != '#' {
					g.phrases = append(g.phrases, line)
				}
				continue
			}
			if _, operator, ok := strings.Cut(line, `"@rx `); ok && line[0] != '#' {
				operator, _, _ = strings.Cut(operator+`" `, `" `)
				if re, err := syntax.Parse(strings.ReplaceAll(operator, `\"`, `"`), syntax.Perl); err == nil {
					g.expressions = append(g.expressions, re)
				}
			}
		}
	}
	require.Greater(t, len(g.expressions), 200)
	require.Greater(t, len(g.phrases), 1000)
	return g
}

func pick[T any](g *attacks, list ...T) T { return list[g.IntN(len(list))] }

// value is something harmless, something that a rule matches, or nearly so.
func (g *attacks) value() string {
	var text string
	switch g.IntN(6) {
	case 0:
		text = pick(g, "", "a", "42", "-1.5e3", "alice@example.com", "https://example.com/a/../b?x=1&y=%20z#f", "Grüße, 世界", "It's fine; isn't it?",
			"2026-01-02T03:04:05Z", "a+b = c", "C:\\Windows\\x", "/etc/", "100%", "x--y", "<b>", "AT&T", "\x00\xff")
	case 1:
		text = pick(g, g.phrases...)
	default:
		var b strings.Builder
		g.match(&b, pick(g, g.expressions...), 0)
		text = b.String()
	}
	for g.IntN(3) > 0 {
		text = g.disguise(text)
	}
	if len(text) > 300 {
		text = text[:300]
	}
	return text
}

// disguise changes a text as one does who wants to get past a filter.
func (g *attacks) disguise(text string) string {
	at := 0
	if text != "" {
		at = g.IntN(len(text))
	}
	before, after := text[:at], text[at:]
	rest := ""
	if after != "" {
		after, rest = after[:1], after[1:]
	}
	switch g.IntN(14) {
	case 0:
		return strings.ToUpper(before) + after + rest
	case 1:
		return before + pick(g, " ", "\t", "\n", "\v", "'", `"`, `\`, "^", ",", ";", "+", "\x00", "/**/", "#", "--", "(", "/", "./", "//", "/../", "\u00a0", "\x85") + after + rest
	case 2:
		return before + url.PathEscape(after) + rest
	case 3:
		return before + fmt.Sprintf("%%%02x", after) + rest
	case 4:
		return before + fmt.Sprintf("%%u00%02x", after) + rest
	case 5:
		return before + fmt.Sprintf("&#x%x;", after) + rest
	case 6:
		return before + fmt.Sprintf(`\x%02x`, after) + rest
	case 7:
		return before + fmt.Sprintf(`\u00%02x`, after) + rest
	case 8:
		if after != "" && after[0] > ' ' && after[0] < 0x7f {
			return before + string(rune(0xff00+int(after[0])-0x20)) + rest
		}
	case 9:
		return strings.NewReplacer("k", "\u212a", "s", "\u017f", "i", "\u0130").Replace(text)
	case 10:
		return before + pick(g, "&lt", "&lt;", "&gt;", "&amp;", "&colon;", "&Tab;", "%", "%2", "&") + after + rest
	case 11:
		return before + rest // something is missing
	case 12:
		return text + pick(g, " and more", "=1", "(1)", "()", "$(id)", "<x>", `"`, "'")
	case 13:
		return pick(g, "a", "the ", "x=", "1 ", "(", "`", "$", ";", "|") + text
	}
	return text
}

// match writes a text that an expression matches, if it does not ask for too much.
func (g *attacks) match(b *strings.Builder, re *syntax.Regexp, depth int) {
	if b.Len() > 200 || depth > 40 {
		return
	}
	repeat := func(least, most int) {
		for range least + g.IntN(most-least+1) {
			g.match(b, re.Sub[0], depth+1)
		}
	}
	switch re.Op {
	case syntax.OpLiteral:
		for _, r := range re.Rune {
			b.WriteRune(r)
		}
	case syntax.OpCharClass:
		i := g.IntN(len(re.Rune)/2) * 2
		r := re.Rune[i] + rune(g.IntN(int(min(re.Rune[i+1]-re.Rune[i], 100))+1))
		b.WriteRune(r)
	case syntax.OpAnyChar, syntax.OpAnyCharNotNL:
		b.WriteByte(byte(' ' + g.IntN(95)))
	case syntax.OpCapture:
		g.match(b, re.Sub[0], depth+1)
	case syntax.OpStar:
		repeat(0, 2)
	case syntax.OpPlus:
		repeat(1, 2)
	case syntax.OpQuest:
		repeat(0, 1)
	case syntax.OpRepeat:
		repeat(re.Min, re.Min+1)
	case syntax.OpConcat:
		for _, sub := range re.Sub {
			g.match(b, sub, depth+1)
		}
	case syntax.OpAlternate:
		g.match(b, pick(g, re.Sub...), depth+1)
	}
}

// exchange is a request with a few such values in all kinds of places.
func (g *attacks) exchange() exchange {
	e := exchange{method: "GET", target: "/"}
	if g.IntN(3) == 0 {
		e.target += strings.NewReplacer("?", "", "#", "", " ", "").Replace(g.value())
	}
	var query []string
	for range g.IntN(3) {
		query = append(query, g.escape(g.value())+"="+g.escape(g.value()))
	}
	if query != nil {
		e.target += "?" + strings.Join(query, "&")
	}
	e.headers = with("user-agent", pick(g, "curl/8", g.header()), pick(g, "x-a", "referer", "cookie", "x-filename", "accept", "range", "host"), g.header(),
		"cookie", "a="+g.header())
	if g.IntN(2) == 0 {
		e.answerBody = g.value() + pick(g, "", " ", "\n") + g.value()
		return e
	}
	e.method = "POST"
	contentType := ""
	switch g.IntN(4) {
	case 0:
		contentType = "application/json"
		body, _ := json.Marshal(map[string]any{"a": g.value(), "b": []any{g.value(), 1}, strings.ToValidUTF8(g.value(), "?"): "c"})
		e.body = string(body)
	case 1:
		contentType = "application/x-www-form-urlencoded"
		e.body = g.escape(g.value()) + "=" + g.escape(g.value()) + "&a=" + g.escape(g.value())
	case 2:
		contentType = "multipart/form-data; boundary=b"
		e.body = "--b\r\nContent-Disposition: form-data; name=\"a\"; filename=\"" + strings.NewReplacer("\r", "", "\n", "", `"`, "").Replace(g.value()) +
			"\"\r\nX-A: " + g.header() + "\r\n\r\nfile\r\n--b\r\nContent-Disposition: form-data; name=\"c\"\r\n\r\n" + g.value() + "\r\n--b--\r\n"
	case 3:
		contentType = "text/xml"
		e.body = "<a b=\"" + escapeXML(g.value()) + "\">" + escapeXML(g.value()) + "</a>"
	}
	e.headers = append(e.headers, [2]string{"content-type", contentType}, [2]string{"content-length", fmt.Sprint(len(e.body))})
	return e
}

func (g *attacks) escape(s string) string {
	if g.IntN(2) == 0 {
		return url.QueryEscape(s)
	}
	return strings.NewReplacer("&", "%26", "#", "%23", " ", "+").Replace(s)
}

func (g *attacks) header() string {
	return strings.NewReplacer("\r", "", "\n", "", "\x00", "").Replace(g.value())
}

func escapeXML(s string) string {
	if !utf8.ValidString(s) {
		s = strings.ToValidUTF8(s, "")
	}
	var b bytes.Buffer
	for _, r := range s {
		fmt.Fprintf(&b, "&#%d;", max(r, ' '))
	}
	return b.String()
}

// compare has both judge a request. Natively what a rule captured last depends on the random order of maps, and some rules decide
// by that; so each is tried until both have come to the same.
func (g *attacks) compare(t *testing.T, screened, plain *waf.Firewall) {
	t.Helper()
	e := g.exchange()
	var want, got string
	wanted, seen := map[string]bool{}, map[string]bool{}
	for range 40 {
		want, got = trace(t, plain, &e), trace(t, screened, &e)
		wanted[want], seen[got] = true, true
		if wanted[got] || seen[want] {
			return
		}
	}
	require.Equal(t, want, got, "%q", e)
}

func trace(t *testing.T, f *waf.Firewall, e *exchange) string {
	tx := &waf.Transaction{}
	headers := e.request()
	for i := range headers { // as a host gives them
		headers[i][0] = strings.Clone(headers[i][0])
	}
	step := f.Begin(tx, &waf.Connection{ClientIP: "192.0.2.1", Protocol: "HTTP/1.1"}, headers, e.body == "")
	if step == waf.Hold {
		step = feed(e.body, 100, tx.RequestBody)
	}
	if step == waf.Pass {
		step = tx.ResponseHeaders([][2]string{{":status", "200"}, {"content-type", "text/html"}}, e.answerBody == "")
	}
	if step == waf.Hold {
		feed(e.answerBody, 100, tx.ResponseBody)
	}
	tx.End()
	defer tx.Close()
	return tx.Trace()
}
