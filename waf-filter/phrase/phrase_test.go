package phrase_test

import (
	"math/rand/v2"
	"strings"
	"testing"

	ahocorasick "github.com/petar-dambovaliev/aho-corasick"
	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/palisade-mesh/palisade/waf-filter/phrase"
)

func find(list []string, text string, n int) (found []string) {
	phrase.New(list).Find(text, n, func(p string) { found = append(found, p) })
	return found
}

func TestFind(t *testing.T) {
	for name, c := range map[string]struct {
		phrases string
		text    string
		want    []string
	}{
		"nothing":              {"cat dog", "a bird", nil},
		"whatever the case":    {"CAT", "a Cat", []string{"Cat"}},
		"the longest":          {"un union", "UNION all", []string{"UNION"}},
		"shorter if not":       {"un union", "unit", []string{"un"}},
		"the earliest":         {"bcd abc", "abcd", []string{"abc"}},
		"not overlapping":      {"aa", "aaaaa", []string{"aa", "aa"}},
		"one byte":             {"; ab", "a;ab", []string{";", "ab"}},
		"at the end":           {"abc", "xab", nil},
		"beyond ASCII":         {"Ünion", "x ünion", []string{"ünion"}},
		"not folded beyond it": {"ünion", "ÜNION", nil},
		"not more than asked":  {"a", "aaaaaaaa", []string{"a", "a", "a", "a"}},
	} {
		t.Run(name, func(t *testing.T) {
			list := strings.Split(c.phrases, " ")
			assert.Equal(t, c.want, find(list, c.text, 4))
			assert.Equal(t, len(c.want) > 0, phrase.New(list).Contains(c.text))
		})
	}
	assert.True(t, phrase.New([]string{"a", ""}).Contains("x"), "an empty phrase is everywhere")
}

func TestNewASCII(t *testing.T) {
	list := phrase.NewASCII([]string{"CAT", "Ünion"})
	assert.True(t, list.Contains("a Cat"))
	assert.True(t, list.Contains("x ÜnIon"), "as it is written, but for ASCII's letters")
	assert.False(t, list.Contains("x ünion"), "another letter")
}

// TestLikeAhoCorasick compares with what Coraza's own operators are made of. Only the first phrase, as that finds others that
// overlap with it.
func TestLikeAhoCorasick(t *testing.T) {
	random := rand.New(rand.NewPCG(1, 1))
	word := func(most int) string {
		b := make([]byte, 1+random.IntN(most))
		for i := range b {
			b[i] = "abAB;"[random.IntN(5)]
		}
		return string(b)
	}
	found := 0
	for range 5000 {
		var list []string
		for range 1 + random.IntN(4) {
			list = append(list, strings.ToLower(word(6)))
		}
		builder := ahocorasick.NewAhoCorasickBuilder(ahocorasick.Opts{AsciiCaseInsensitive: true, MatchKind: ahocorasick.LeftMostLongestMatch})
		automaton := builder.Build(list)
		text := word(12)
		var want []string
		if m := automaton.Iter(text).Next(); m != nil {
			want = []string{text[m.Start():m.End()]}
			found++
		}
		require.Equal(t, want, find(list, text, 1), "%q in %q", list, text)
		require.Equal(t, want != nil, phrase.New(list).Contains(text))
	}
	assert.Greater(t, found, 1000)
	assert.Less(t, found, 4900)
}
