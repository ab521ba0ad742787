package waf_test

import (
	"encoding/base64"
	"fmt"
	"math/rand/v2"
	"regexp/syntax"
	"slices"
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/palisade-mesh/palisade/waf-filter/waf"
)

// sample is something that a rule looks for.
func (g *attacks) sample(operator, argument string) string {
	switch operator {
	case "@rx":
		re, err := syntax.Parse(argument, syntax.Perl|syntax.DotNL)
		if err != nil {
			return ""
		}
		var b strings.Builder
		g.match(&b, re, 0)
		return b.String()
	case "@pm":
		return pick(g, strings.Split(argument, " ")...)
	case "@pmFromFile":
		return pick(g, waf.Phrases(argument)...)
	case "@detectSQLi":
		return pick(g, "1 or 1=1", "a' or 'a'='a", "1 union select 2", "1;drop table x")
	case "@detectXSS":
		return pick(g, "<script>", "a onload=x", "<a href=javascript:x>")
	}
	return argument
}

// undo makes a text that a transformation makes another of.
func (g *attacks) undo(transformation, text string) string {
	insert := func(list ...string) {
		for range 1 + g.IntN(3) {
			at := g.IntN(len(text) + 1)
			text = text[:at] + pick(g, list...) + text[at:]
		}
	}
	replace := func(r *strings.Replacer) { text = r.Replace(text) }
	switch strings.ToLower(transformation) {
	case "lowercase":
		if g.IntN(2) == 0 {
			replace(strings.NewReplacer("k", "\u212a", "i", "\u0130"))
		} else {
			text = strings.ToUpper(text)
		}
	case "removenulls":
		insert("\x00")
	case "cmdline":
		if g.IntN(2) == 0 {
			replace(strings.NewReplacer(" ", pick(g, ",", ";", "\t", "  ", "\n;"), "/", pick(g, "/", " /", ",/"), "(", " ("))
		}
		insert(`"`, "'", "^", `\`)
	case "urldecode", "urldecodeuni":
		if g.IntN(2) == 0 {
			replace(strings.NewReplacer(" ", "+"))
		} else if text != "" {
			at := g.IntN(len(text))
			text = text[:at] + fmt.Sprintf(pick(g, "%%%02x", "%%u00%02x"), text[at]) + text[at+1:]
		}
	case "htmlentitydecode":
		if text != "" {
			at := g.IntN(len(text))
			if text[at] < 0x80 {
				text = text[:at] + fmt.Sprintf(pick(g, "&#%d;", "&#%d"), text[at]) + text[at+1:]
			}
		}
		replace(strings.NewReplacer("<", pick(g, "&lt", "&LT", "&lt;", "<"), "(", pick(g, "&lpar;", "("), ":", pick(g, "&colon;", ":")))
	case "jsdecode", "cssdecode", "escapeseqdecode":
		if text != "" {
			at := g.IntN(len(text))
			text = text[:at] + fmt.Sprintf(pick(g, `\x%02x`, `\%06x`, `\%03o`), text[at]) + text[at+1:]
		}
		insert(`\`, "")
	case "removewhitespace":
		insert(" ", "\t", "\n", "\v", "\u00a0", "\u2003", "\u3000", "\u0085")
	case "compresswhitespace":
		replace(strings.NewReplacer(" ", pick(g, "\t ", "\u00a0", "\xa0", "\u0085", "\xa0 ", "\v")))
	case "base64decode":
		text = base64.RawStdEncoding.EncodeToString([]byte(text))
		if g.IntN(2) == 0 {
			insert("\n", "\r")
		}
	case "replacecomments":
		replace(strings.NewReplacer(" ", "/**/"))
	case "removecommentschar":
		insert("/*", "*/", "--", "#", "<!--")
	case "normalizepath", "normalizepathwin":
		replace(strings.NewReplacer("/", pick(g, "/", "//", "/./", "/x/../", "./", " /", ". /", `\`)))
		if g.IntN(3) == 0 {
			text += pick(g, "/", ".", " ", ":x", "::$DATA", "/.", "/x/..")
		}
	}
	if g.IntN(4) == 0 { // for expressions that ignore case
		replace(strings.NewReplacer("k", "\u212a", "s", "\u017f", "K", "\u212a", "S", "\u017f"))
	}
	return text
}

// disguised is something that a rule looks for, as it may be before the rule's transformations.
func (g *attacks) disguised(j *waf.Judge, id int) string {
	operator, argument, actions := j.Pattern(id)
	text := pick(g, "", "", "a", "/", "x ") + g.sample(operator, argument) + pick(g, "", "", " ", "/", "=")
	list := strings.Split(actions, ",")
	if g.IntN(4) == 0 {
		text = g.undo("", text)
	}
	for i := len(list) - 1; i >= 0; i-- {
		if g.IntN(4) > 0 {
			text = g.undo(strings.TrimPrefix(list[i], "t:"), text)
		}
	}
	return text
}

// Each is a value that a rule matches once it is transformed, but not as it is.
func TestScreeningOfValues(t *testing.T) {
	for name, c := range map[string]struct{ operator, transformations, value string }{
		"dots at the ends of elements":        {"@pm etc/passwd", "normalizePathWin", "etc./passwd"},
		"dots and blanks":                     {"@rx etc/passwd$", "normalizePathWin", "etc. /passwd. ."},
		"an element of blanks":                {"@rx ^etc/passwd$", "normalizePathWin", "etc/ /passwd"},
		"a stream":                            {"@rx ^etc/passwd$", "normalizePathWin", "etc/passwd::$DATA"},
		"a stream of a directory":             {"@rx etc/$", "normalizePathWin", "etc:x/"},
		"plus":                                {"@rx ^etc/passwd$", "urlDecodeUni,t:normalizePathWin", "etc/passwd+"},
		"a path that begins with plus":        {"@rx ^x", "urlDecodeUni,t:normalizePathWin", "+/x"},
		"the root":                            {"@rx ^//$", "normalizePath", "/"},
		"a path with NUL":                     {"@contains x/etc", "removeNulls,t:normalizePath", "x/a/.\x00./etc"},
		"the root and NUL":                    {"@rx ^//$", "removeNulls,t:normalizePath", "\x00/"},
		"no-break space":                      {"@rx [ ]", "compressWhitespace", "a\u00a0b"},
		"raw no-break space":                  {"@rx a[ ]+b", "compressWhitespace", "a\xa0b"},
		"long s in quotes":                    {"@rx (?i)bash", "cmdLine", "ba\xc5'\xbfh"},
		"Kelvin sign and NUL":                 {"@pm kill", "removeNulls,t:lowercase", "\xe2\x84\x00\xaaill"},
		"dotted I in quotes":                  {"@contains bin", "cmdLine,t:lowercase", "b\xc4\"\xb0n"},
		"Kelvin sign in lower case":           {"@pm kill", "lowercase", "\u212aILL"},
		"Kelvin sign in a phrase":             {"@pm \u212aill", "none", "kill"},
		"what is only there before":           {"@rx a\\+b", "lowercase,t:urlDecode,multiMatch", "A+B"},
		"nothing before none":                 {"@rx ^S$", "lowercase,t:none", "S"},
		"base64 with plus":                    {"@contains >ab", "base64Decode,t:urlDecode", "PmFi+"},
		"base64 with plus that is kept":       {"@rx \\xfb", "base64Decode,t:urlDecode", "++"},
		"base64 of base64":                    {"@contains attack", "urlDecode,t:base64Decode,t:base64Decode", "WVhSMFlXTnI"},
		"an entity without a semicolon":       {"@contains <a", "htmlEntityDecode", "&LTa"},
		"an entity that blanks are part of":   {"@contains <a", "removeWhitespace,t:htmlEntityDecode", "& l t;a"},
		"an escape that NUL is part of":       {"@contains attack", "removeNulls,t:urlDecode", "%\x0061ttack"},
		"a comment":                           {"@contains attack", "removeCommentsChar", "att#ack"},
		"a double minus":                      {"@contains attack", "removeCommentsChar", "att--ack"},
		"an escape of JavaScript":             {"@contains attack", "jsDecode", `\x61ttack`},
		"beyond ASCII":                        {"@contains %u00e9", "utf8toUnicode", "\u00e9"},
		"separators of arguments":             {"@contains cat x", "cmdLine", "C^a't';\tx"},
		"a blank before a slash":              {"@contains cat/etc", "cmdLine", "cat /etc"},
		"an element that is left out":         {"@contains etc/passwd", "normalizePath", "etc/x/../passwd"},
		"an element that is empty":            {"@contains etc/passwd", "normalizePath", "etc//passwd"},
		"an element that is left out of a \\": {"@contains etc/passwd", "normalizePathWin", `etc\passwd`},
	} {
		t.Run(name, func(t *testing.T) {
			var rules strings.Builder
			for id := 1; id <= 4; id += 2 { // as many as a block has at least
				fmt.Fprintf(&rules, "SecRule ARGS_GET \"%s\" \"id:%d,phase:1,pass,t:none,t:%s\"\n", c.operator, id, c.transformations)
				fmt.Fprintf(&rules, "SecRule ARGS_GET \"%s\" \"id:%d,phase:1,pass,t:%s\"\n", c.operator, id+1, c.transformations)
			}
			j := waf.NewJudge(rules.String())
			require.NotNil(t, j)
			matching, missed := j.Of(c.value)
			require.Len(t, matching, 4)
			assert.Empty(t, missed)
		})
	}
}

// The engine has to come by what does something of its own, so no block goes on past it.
func TestScreeningEndsBefore(t *testing.T) {
	rule := func(id int) string {
		return fmt.Sprintf("SecRule ARGS_GET \"@contains x\" \"id:%d,phase:1,pass,t:none\"\n", id)
	}
	rules := func(first int) string { return rule(first) + rule(first+1) + rule(first+2) + rule(first+3) }
	whole, parts := [][]int{{1, 2, 3, 4, 5, 6, 7, 8}}, [][]int{{1, 2, 3, 4}, {5, 6, 7, 8}}
	for between, want := range map[string][][]int{
		"":               whole,
		`SecMarker HERE`: whole,
		`SecAction "id:9,phase:1,pass,setvar:tx.x=1"`:                                    parts,
		`SecAction "id:9,phase:2,pass,setvar:tx.x=1"`:                                    whole,
		`SecRule ARGS_GET "@gt 1" "id:9,phase:1,pass,t:none"`:                            parts,
		`SecRule ARGS_GET "@contains %{tx.x}" "id:9,phase:1,pass,t:none"`:                parts,
		`SecRule ARGS_GET "@contains x" "id:9,phase:1,pass,t:none,t:length"`:             parts,
		`SecRule &ARGS_GET "@contains x" "id:9,phase:1,pass,t:none"`:                     parts,
		`SecRule TX:x "@contains x" "id:9,phase:1,pass,t:none"`:                          parts,
		`SecRule ARGS_GET|TX:x "@contains x" "id:9,phase:1,pass,t:none"`:                 parts,
		`SecRule TX:DETECTION_PARANOIA_LEVEL "@lt 2" "id:9,phase:1,pass,skipAfter:NO"`:   parts,
		`SecRule TX:DETECTION_PARANOIA_LEVEL "@lt 2" "id:9,phase:1,pass,setvar:tx.x=1"`:  parts,
		`SecRule TX:BLOCKING_PARANOIA_LEVEL "@lt 2" "id:9,phase:1,pass,skipAfter:THERE"`: parts,
	} {
		assert.Equal(t, want, waf.NewJudge(rules(1)+between+"\n"+rules(5)).Blocks(), between)
	}
}

// TestScreeningOfDisguises has values that each rule of the Core Rule Set matches, or nearly so, whatever its transformations.
func TestScreeningOfDisguises(t *testing.T) {
	g := newAttacks(t, rand.New(rand.NewPCG(1, 7)))
	j := compile(t, leveled(4)).Judge()
	own, all := 0, 0
	for range 8 {
		for _, id := range j.Rules() {
			value := g.disguised(j, id)
			matching, missed := j.Of(value)
			require.Empty(t, missed, "%q", value)
			if all++; slices.Contains(matching, id) {
				own++
			}
		}
	}
	assert.Greater(t, own, all/2)
}

// pieces are what transformations make something of, or what they make.
var pieces = []string{"a", "b", "k", "s", "i", "K", "S", "I", "1", "_", " ", " ", "/", "/", ".", ".", "..", "+", ";", ",", "'", `"`, "^", `\`, "\x00", "\x00",
	"\u212a", "\u017f", "\u0130", "\xe2", "\x84", "\xaa", "\xc5", "\xbf", "\u00a0", "\xa0", "\x85", "\u0085", "\u2003", "\xff", "%", "%6", "%2f", "%00",
	"%u", "u0061", "%u212a", "&", "#", "x", "6", "&lt", "lt", "&a", "amp", ";", "&#", "/*", "*/", "*", "-", "--", "<", "!", ">", "=", ":", "YWI", "Lw", "(",
	"\t", "\n", "\v"}

func (g *attacks) pieces(most int) string {
	var b strings.Builder
	for range 1 + g.IntN(most) {
		b.WriteString(pick(g, pieces...))
	}
	return b.String()
}

// literal is an expression of a text, in which . is each byte beyond ASCII.
func literal(text string) string {
	var b strings.Builder
	for _, c := range []byte(text) {
		if c < 0x80 {
			fmt.Fprintf(&b, `\x%02x`, c)
		} else {
			b.WriteString(".")
		}
	}
	return b.String()
}

// operator looks for a text.
func (g *attacks) operator(text string) string {
	class := strings.ReplaceAll(literal(g.pieces(3)), ".", "")
	quotes := strings.NewReplacer(`"`, "", `\`, "", "%", "", "\n", "", "\x00", "")
	return pick(g, "", "", "", "", "", "", "!") + pick(g, "@rx (?i)"+literal(text), "@rx ^"+literal(text)+"$",
		"@rx (?:"+literal(text)+"|"+literal(g.pieces(2))+")["+class+"a]?", "@rx "+literal(text)+"["+class+"a]+",
		"@pm "+strings.Join(strings.Fields(quotes.Replace(text+" "+g.pieces(2)+" zz")), " "), "@contains "+quotes.Replace(text+"b"))
}

// rule writes a rule with any transformations, and gives texts that it may match.
func (g *attacks) rule(b *strings.Builder, id int, names []string) []string {
	text := g.pieces(3)
	var actions string
	fmt.Fprintf(b, "SecRule ARGS_GET \"%s\" \"id:%d,phase:1,pass,t:none", g.operator(text), id)
	var list []string
	for range g.IntN(5) {
		list = append(list, pick(g, names...))
		actions += ",t:" + list[len(list)-1]
	}
	b.WriteString(actions + pick(g, "", "", "", ",multiMatch") + "\"\n")
	texts := []string{text}
	for _, name := range slices.Backward(list) {
		text = g.undo(name, text)
		texts = append(texts, text)
	}
	return texts
}

// TestScreeningOfAnyRules has rules with whatever transformations in whatever order.
func TestScreeningOfAnyRules(t *testing.T) {
	g := &attacks{Rand: rand.New(rand.NewPCG(1, 9))}
	found := 0
	for range 500 {
		found += g.judgeAny(t)
	}
	assert.Greater(t, found, 10_000)
}

func FuzzScreeningOfAnyRules(f *testing.F) {
	for seed := range uint64(20) {
		f.Add(seed, seed)
	}
	f.Fuzz(func(t *testing.T, a, b uint64) {
		g := &attacks{Rand: rand.New(rand.NewPCG(a, b))}
		g.judgeAny(t)
	})
}

func (g *attacks) judgeAny(t *testing.T) (found int) {
	names := waf.KnownTransformations()
	var rules strings.Builder
	var texts []string
	for id := 1; id <= 6; id++ {
		texts = append(texts, g.rule(&rules, id, names)...)
	}
	j := waf.NewJudge(rules.String())
	if j == nil { // an expression is none
		return 0
	}
	for range 60 {
		value := pick(g, pick(g, texts...), pick(g, texts...), g.pieces(6))
		for range g.IntN(3) {
			at := g.IntN(len(value) + 1)
			value = value[:at] + pick(g, pieces...) + value[at:]
		}
		matching, missed := j.Of(value)
		require.Empty(t, missed, "%q\n%s", value, rules.String())
		found += len(matching)
	}
	return found
}
