package screen_test

import (
	"io/fs"
	"math/rand/v2"
	"regexp"
	"regexp/syntax"
	"strings"
	"testing"
	"unicode"

	coreruleset "github.com/corazawaf/coraza-coreruleset/v4"
	libinjection "github.com/corazawaf/libinjection-go"
	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/palisade-mesh/palisade/waf-filter/screen"
)

// may tells whether the first pattern may match a value.
func may(t testing.TB, s *screen.Set, value string) bool {
	t.Helper()
	var at screen.Sight
	s.Look(value, &at)
	is := s.May(0, &at)
	if is {
		require.True(t, at.Candidates.Has(0), "%q may be matched, so it is a candidate", value)
	}
	return is
}

func TestExpressions(t *testing.T) {
	for name, c := range map[string]struct {
		expression string
		may, not   []string
	}{
		"a word":                   {"union", []string{"union", "UNION", "x union y", "u n+i'o\"n", "u\u00a0nion"}, []string{"", "unio", "unixon"}},
		"the beginning of a word":  {"information", []string{"information", "informa"}, []string{"inform"}},
		"anchors":                  {`^\bunion\b$`, []string{"union", "a union"}, []string{"unison"}},
		"ignoring case":            {"(?i)UNION", []string{"union"}, []string{"uni"}},
		"two words":                {"union.*select", []string{"union select", "select union"}, []string{"union", "select", "un select"}},
		"either":                   {"union|select", []string{"union", "select"}, []string{"unlect"}},
		"either, or something":     {"union|.", []string{"", "a"}, nil},
		"either, or nothing":       {"(?:union|)", []string{""}, nil},
		"one behind either":        {"(?:a|b)cd", []string{"acd", "bcd"}, []string{"ccd", "ac"}},
		"either of long ones":      {"union.+a1|select.+b2", []string{"union a1", "select b2"}, []string{"union b2", "select a1", "union"}},
		"maybe":                    {"un(?:ion)?x", []string{"unionx", "unx"}, []string{"union"}},
		"maybe some":               {"un(?:a.)?x", []string{"unx"}, []string{"n"}},
		"any number":               {"u(?:nion)*", []string{"u"}, []string{"nion"}},
		"one or more":              {"(?:union)+", []string{"unionunion", "union"}, []string{"unio"}},
		"one or more of nothing":   {"(?:|union)+", []string{""}, nil},
		"twice":                    {"(?:ab){2}", []string{"abab"}, []string{"ab", "aba"}},
		"at most twice":            {"(?:ab){0,2}", []string{""}, nil},
		"often":                    {"[ab]{1000}", []string{strings.Repeat("a", 1000)}, []string{"c"}},
		"one of a few":             {"x[yz]", []string{"xy", "xz"}, []string{"xx", "yz"}},
		"one of some":              {"[0-9]", []string{"7"}, []string{"a"}},
		"one of most":              {"[^a]", []string{"a"}, nil},
		"one of none":              {`[^\x00-\x{10ffff}]`, []string{"", "a"}, nil},
		"a sign":                   {`\$`, []string{"a$"}, []string{"a"}},
		"a sign and a word":        {`\$ab`, []string{"$ab", "$ ab"}, []string{"ab", "$", "ab$"}},
		"signs":                    {`\(\)`, []string{"a()", "( )"}, []string{"(", ")("}},
		"a blank":                  {`a[ ]b`, []string{"a b", "a\tb", "a+b", "a,b", "a\u00a0b", "a\xa0b"}, []string{"x"}},
		"only a blank":             {`[ ]`, []string{" ", "+", ";", "\n", "\u00a0", "\xa0"}, []string{"", "ab"}},
		"a newline":                {`\n`, []string{"\n"}, []string{" ", ""}},
		"NUL":                      {`\x00`, []string{"\x00"}, []string{" ", ""}},
		"what is removable":        {`'"`, []string{`'"`, `"'`}, []string{"a"}},
		"beyond ASCII":             {`\x{e9}`, []string{"é", "\xff"}, []string{"e"}},
		"a word beyond ASCII":      {`caf\x{e9}`, []string{"café"}, []string{"cafe"}},
		"bytes beyond ASCII":       {`\xbc[^\xbe]`, []string{"\xbc<"}, []string{"<"}},
		"some beyond ASCII":        {`[a\x{e9}]`, []string{"a", "é"}, []string{"b"}},
		"letters that are folded":  {`(?i)[ks]`, []string{"k", "S", "\u212a", "\u017f"}, []string{"a"}},
		"words of many":            {strings.Repeat("[ab]", 12), []string{"abababababab"}, []string{"c"}},
		"a flag within":            {"a(?i:b)c", []string{"aBc"}, []string{"ac"}},
		"what is named":            {"(?P<x>union)", []string{"union"}, []string{"unio"}},
		"dots for all of it":       {"(?s)^.$", []string{"", "a"}, nil},
		"nothing":                  {"", []string{""}, nil},
		"a word of two of a blank": {"a b", []string{"a b", "ab"}, []string{"ba"}},
	} {
		t.Run(name, func(t *testing.T) {
			var b screen.Builder
			require.True(t, b.Expression(c.expression))
			s := b.Build()
			for _, value := range c.may {
				assert.True(t, may(t, s, value), "%q", value)
			}
			for _, value := range c.not {
				assert.False(t, may(t, s, value), "%q", value)
			}
		})
	}
	var b screen.Builder
	assert.False(t, b.Expression("("))
}

func TestPhrases(t *testing.T) {
	var b screen.Builder
	b.Phrases([]string{"cat ", "/etc/passwd", ".git"})
	b.Phrases([]string{"a", ""})
	b.Any()
	s := b.Build()
	for value, want := range map[string]bool{"": false, "cat": true, "c a t": true, "/etc/pas": true, "/etc": false, "git": false, ".GIT": true} {
		assert.Equal(t, want, may(t, s, value), "%q", value)
		var at screen.Sight
		s.Look(value, &at)
		assert.True(t, s.May(1, &at), "an empty phrase is everywhere")
		assert.True(t, s.May(2, &at))
	}
}

func TestMarks(t *testing.T) {
	var b screen.Builder
	b.Any()
	s := b.Build()
	for value, want := range map[string]screen.Marks{
		"": 0, "a b": 0, "100%": 0, "%zz": 0, "a & b": 0, "a&b=c": 0, "AT&T": 0, "-": 0, "* /": screen.Split, "/": screen.Path, "/a": 0, "a/": 0, "a.b": 0, "a.": 0,
		"%4": 0, "%F": 0, "%4g": 0, "%41": screen.Percent, "%fF": screen.Percent, "%u": screen.Percent, "%U": screen.Percent, "%\x0041": screen.Split, "%4'1": screen.Split,
		"&#": screen.Entity, "&lt": screen.Entity, "&LT": screen.Entity, "&frac12": screen.Entity, "&a;": screen.Entity, "& l t": screen.Split, "&\x00#": screen.Split | screen.Comment,
		`\`: screen.Backslash, `a\b`: screen.Backslash, "#": screen.Comment, "--": screen.Comment, "- -": screen.Split, "/*": screen.Comment, "*/": screen.Comment,
		"é": screen.Beyond, "\x80": screen.Beyond, "\u212a": screen.Beyond | screen.Casing, "a\u017f": screen.Beyond | screen.Casing, "\u0130": screen.Beyond | screen.Casing,
		"\xe2\x84'\xaa": screen.Beyond | screen.Casing, "\xc5\x00\xbf": screen.Beyond | screen.Casing, "\xc4^\"\xb0": screen.Beyond | screen.Casing,
		"\xe2\x84a\xaa": screen.Beyond, "\xaa\x84\xe2": screen.Beyond, "\xc5A\xbf": screen.Beyond,
		".": screen.Path, "./a": screen.Path, "'.": screen.Split, "a//b": screen.Path, "a/ /b": screen.Split, "a/./b": screen.Path, "a/.b": screen.Path, "a./b": screen.Path,
		"a. /b": screen.Split, "a:b/": screen.Path, "a:b/'": screen.Split, "a:b": 0, "a:b/c": 0, "+/": screen.Split,
	} {
		if strings.Contains(value, "#") {
			want |= screen.Comment
		}
		var at screen.Sight
		s.Look(value, &at)
		assert.Equal(t, want, at.Marks, "%q", value)
	}
}

func TestBytes(t *testing.T) {
	var b screen.Builder
	b.Any()
	s := b.Build()
	var at screen.Sight
	for value, removable := range map[string]bool{
		"": false, "a/b": false, " ": true, "\t": true, "\n": true, "\v": true, "\f": true, "\r": true, "'": true, `"`: true, `\`: true, "^": true, ",": true, ";": true, "+": true,
		"\x00": true, "é": true, "\xff": true,
	} {
		s.Look(value, &at)
		assert.Equal(t, removable, at.HasRemovable(), "%q", value)
		assert.Equal(t, strings.Contains(value, "/"), at.Has('/'))
		assert.Equal(t, strings.Contains(value, "\x00"), at.Has(0))
	}
}

// TestMatchesAreTold has texts made of all expressions of the Core Rule Set: of none may be told that its expression does not match it.
func TestMatchesAreTold(t *testing.T) {
	g := generator{rand.New(rand.NewPCG(1, 1))}
	list := expressions(t)
	matched := 0
	for _, text := range list {
		var b screen.Builder
		require.True(t, b.Expression(text))
		s := b.Build()
		tree, err := syntax.Parse(text, syntax.Perl)
		require.NoError(t, err)
		re := regexp.MustCompile(text)
		for range 30 {
			value := g.text(tree)
			if !may(t, s, value) {
				var at screen.Sight
				s.Look(value, &at)
				require.True(t, at.Marks&screen.Casing != 0, "%s: %q", text, value)
			}
			if re.MatchString(value) {
				matched++
			}
		}
	}
	assert.Greater(t, matched, 20*len(list), "the texts are of some use")
}

// TestManyPatterns has all expressions in one set, as rules have, and the same told as of each by itself.
func TestManyPatterns(t *testing.T) {
	list := expressions(t)
	var all screen.Builder
	var each []*screen.Set
	for _, text := range list {
		var b screen.Builder
		require.True(t, b.Expression(text) && all.Expression(text))
		each = append(each, b.Build())
	}
	s := all.Build()
	require.NotNil(t, s)
	g := generator{rand.New(rand.NewPCG(2, 1))}
	told := 0
	for range 300 {
		tree, _ := syntax.Parse(list[g.IntN(len(list))], syntax.Perl)
		value := g.text(tree)
		var at screen.Sight
		s.Look(value, &at)
		for i := range each {
			is := s.May(i, &at)
			require.Equal(t, may(t, each[i], value), is, "%s: %q", list[i], value)
			require.True(t, !is || at.Candidates.Has(i))
			if !is {
				told++
			}
		}
	}
	assert.Greater(t, told, 300*len(list)/2, "most of them cannot match")
}

// expressions are those of the Core Rule Set's rules.
func expressions(t *testing.T) (list []string) {
	files, err := fs.Glob(coreruleset.FS, "@owasp_crs/*.conf")
	require.NoError(t, err)
	for _, name := range files {
		text, err := fs.ReadFile(coreruleset.FS, name)
		require.NoError(t, err)
		for line := range strings.Lines(string(text)) {
			_, operator, ok := strings.Cut(strings.TrimSpace(line), `@rx `)
			if !ok || line[0] == '#' {
				continue
			}
			operator, _, _ = strings.Cut(operator, `" \`)
			operator = "(?sm)" + strings.ReplaceAll(operator, `\"`, `"`)
			if _, err := regexp.Compile(operator); err == nil {
				list = append(list, operator)
			}
		}
	}
	require.Greater(t, len(list), 200)
	return list
}

// generator makes texts that expressions match, but for what they want around them.
type generator struct{ *rand.Rand }

func (g generator) text(re *syntax.Regexp) string {
	var b strings.Builder
	g.write(&b, re)
	return b.String()
}

func (g generator) write(b *strings.Builder, re *syntax.Regexp) {
	times := func(least, most int) {
		for range least + g.IntN(most-least+1) {
			g.write(b, re.Sub[0])
		}
	}
	switch re.Op {
	case syntax.OpLiteral:
		for _, r := range re.Rune {
			for re.Flags&syntax.FoldCase != 0 && g.IntN(3) > 0 {
				r = unicode.SimpleFold(r)
			}
			b.WriteRune(r)
		}
	case syntax.OpCharClass:
		i := g.IntN(len(re.Rune)/2) * 2
		b.WriteRune(re.Rune[i] + rune(g.IntN(int(re.Rune[i+1]-re.Rune[i])+1)))
	case syntax.OpAnyChar, syntax.OpAnyCharNotNL:
		b.WriteRune(rune(' ' + g.IntN(200)))
	case syntax.OpStar:
		times(0, 2)
	case syntax.OpPlus:
		times(1, 3)
	case syntax.OpQuest:
		times(0, 1)
	case syntax.OpRepeat:
		times(re.Min, max(re.Min, min(re.Max, re.Min+2)))
	case syntax.OpCapture:
		g.write(b, re.Sub[0])
	case syntax.OpConcat:
		for _, sub := range re.Sub {
			g.write(b, sub)
		}
	case syntax.OpAlternate:
		g.write(b, re.Sub[g.IntN(len(re.Sub))])
	}
}

// TestInjections has values of which it is told without libinjection that there is no injection: it has to say the same.
func TestInjections(t *testing.T) {
	var sqli, xss screen.Builder
	sqli.Injection()
	xss.Scripting()
	sqliSet, xssSet := sqli.Build(), xss.Build()
	assert.True(t, may(t, sqliSet, "1 or 1=1"))
	assert.False(t, may(t, sqliSet, "1union_select2"))
	assert.True(t, may(t, xssSet, "<script>"))
	assert.True(t, may(t, xssSet, "onload=x"))
	assert.False(t, may(t, xssSet, "onload x>"))
	words := []string{"1", "0", "0x1f", "0b1", "1e5", "1d", "1f", "0x", "e", "x", "n", "q", "u", "b", "_", "union", "all", "select", "from", "or", "and", "not", "in", "is",
		"null", "like", "sleep", "benchmark", "drop", "table", "insert", "into", "exec", "xp_cmdshell", "sp_password", "waitfor", "delay", "if", "case", "having", "mysql", "utf8",
		"user", "version", "current_user", "a", "binary", "collate", "X", "UNION", "SELECT"}
	signs := append(words, " ", ">", "'", `"`, "`", "/", "/*", "*/", "!", "--", "-", "?", "%", "&", ";", ":", "onload", "onerror", "style", "href", "src", "xmlns", "xlink:href",
		"javascript:", "data:", "vbscript:", "script", "svg", "iframe", "doctype", "entity", "[", "]", "(", ")", "\x00", "\t", "\n", "\u00a0", "import", "xml")
	g := generator{rand.New(rand.NewPCG(1, 1))}
	for range 20_000 {
		if value := g.of(words, 3); !may(t, sqliSet, value) {
			is, _ := libinjection.IsSQLi(value)
			require.False(t, is, "%q", value)
		}
		if value := g.of(signs, 8); !may(t, xssSet, value) {
			require.False(t, libinjection.IsXSS(value), "%q", value)
		}
	}
}

func (g generator) of(words []string, most int) string {
	var b strings.Builder
	for range g.IntN(most + 1) {
		b.WriteString(words[g.IntN(len(words))])
	}
	return b.String()
}
