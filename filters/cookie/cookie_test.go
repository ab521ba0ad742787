package cookie_test

import (
	"testing"

	"github.com/stretchr/testify/assert"

	"github.com/palisade-mesh/palisade/filters/cookie"
)

func values(header, name string) (list []string) {
	_ = cookie.Values(header, name, func(value string) bool {
		list = append(list, value)
		return true
	})
	return list
}

func TestNamesThatAreOthersToSome(t *testing.T) {
	for header, want := range map[string]error{
		"\xa0s=1": cookie.ErrName, "a=1; s\xa0=1": cookie.ErrName, "\u00a0s=1": cookie.ErrName, "\x85s=1": cookie.ErrName, "\x01s=1": cookie.ErrName,
		"%73=1": cookie.ErrName, "s=1; %73 =2": cookie.ErrName,
		"s=\xa0": nil, "\xa0a=1": nil, "%74=1": nil, "%s=1": nil, "%7=1": nil, "s%73=1": nil, "\xa0s": nil, "": nil,
	} {
		err := cookie.Values(header, "s", func(string) bool { return true })
		assert.Equal(t, want, err, "%q", header)
	}
}

func TestValues(t *testing.T) {
	for header, want := range map[string][]string{
		"":                        nil,
		"s=1":                     {"1"},
		"a=b; s=1; c=d":           {"1"},
		"s=1; s=2":                {"1", "2"},
		"s=1;s=2":                 {"1", "2"},
		" s = 1 ":                 {"1"},
		"\ts=1":                   {"1"},
		`s="1"`:                   {"1"},
		`s="`:                     {`"`},
		"s=":                      {""},
		"s=a=b":                   {"a=b"},
		"a=1, s=2":                {"2"}, // RFC 2965
		`a="x; s=2"`:              {`2"`},
		"S=1":                     nil,
		"s":                       nil,
		"ss=1; xs=2; $s=3; s[]=4": nil,
		";;s=1;;":                 {"1"},
	} {
		assert.Equal(t, want, values(header, "s"), header)
	}
	n := 0
	assert.NoError(t, cookie.Values("s=1; s=2", "s", func(string) bool { n++; return false }))
	assert.Equal(t, 1, n, "yield has said that it is enough")
}

func TestWithout(t *testing.T) {
	for header, want := range map[string]string{
		"s=1":                 "",
		"a=b; s=1; c=d":       "a=b; c=d",
		"s=1; a=b":            "a=b",
		"a=b; s=1":            "a=b",
		"s=1; t=2; a=b; s=3":  "a=b",
		"a=b,s=1":             "a=b",
		"a=\"x y\";  s=1;c=d": "a=\"x y\";c=d",
	} {
		rest, found := cookie.Without(header, []string{"s", "t"})
		assert.True(t, found, header)
		assert.Equal(t, want, rest, header)
	}
	for _, header := range []string{"", "a=b; c=d", "s", "; a=1 ;"} {
		rest, found := cookie.Without(header, []string{"s", "t"})
		assert.False(t, found, header)
		assert.Equal(t, header, rest, "it stays as it was")
	}
}

// Nothing is left of a cookie that was taken out, and of others everything is.
func FuzzWithout(f *testing.F) {
	f.Add("a=b; s=1; c=d")
	f.Add("s=1,s=2;;s = 3")
	f.Fuzz(func(t *testing.T, header string) {
		rest, found := cookie.Without(header, []string{"s"})
		assert.Equal(t, len(values(header, "s")) > 0, found)
		assert.Empty(t, values(rest, "s"))
		for _, name := range []string{"a", "b", "ss"} {
			assert.Equal(t, values(header, name), values(rest, name))
		}
		assert.LessOrEqual(t, len(rest), len(header))
	})
}
