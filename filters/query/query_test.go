package query_test

import (
	"net/url"
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/palisade-mesh/palisade/filters/budget"
	"github.com/palisade-mesh/palisade/filters/query"
)

func values(target, name string) ([]string, error) {
	var got []string
	err := query.Values(target, name, func(v string) bool {
		got = append(got, v)
		return true
	})
	return got, err
}

func TestValues(t *testing.T) {
	for _, tt := range []struct {
		name, target, parameter string
		want                    []string
	}{
		{"one", "/p?a=1", "a", []string{"1"}},
		{"the second", "/p?a=1&b=2", "b", []string{"2"}},
		{"several, in order", "/p?a=1&b=2&a=3&a=", "a", []string{"1", "3", ""}},
		{"none of this name", "/p?a=1", "b", nil},
		{"no query", "/p", "a", nil},
		{"no query, but something like it in the path", "/a=1&b=2", "b", nil},
		{"an empty query", "/p?", "a", nil},
		{"an empty target", "", "a", nil},
		{"no path", "?a=1", "a", []string{"1"}},
		{"without =", "/p?a&b", "a", []string{""}},
		{"= in the value", "/p?a=b=c", "a", []string{"b=c"}},
		{"? in the value", "/p?a=b?c", "a", []string{"b?c"}},
		{"? in the name", "/p??a=1", "?a", []string{"1"}},
		{"? in the name is a part of it", "/p??a=1", "a", nil},
		{"empty pairs", "/p?&&a=1&&", "a", []string{"1"}},
		{"empty pairs have no name", "/p?&&a=1&&", "", nil},
		{"an empty name", "/p?=1", "", []string{"1"}},
		{"names regard case", "/p?A=1&a=2", "a", []string{"2"}},
		{"a longer name", "/p?ab=1", "a", nil},
		{"a shorter name", "/p?a=1", "ab", nil},
		{"an array of PHP", "/p?a[]=1", "a", nil},
		{"an array of PHP by its name", "/p?a[]=1&a%5B%5D=2", "a[]", []string{"1", "2"}},
		{"plus", "/p?a+b=c+d", "a b", []string{"c d"}},
		{"escapes", "/p?%61=%41%2f%2F%25", "a", []string{"A//%"}},
		{"decoded once", "/p?a=%2541", "a", []string{"%41"}},
		{"a name decoded once", "/p?%2561=1", "a", nil},
		{"escaped separators", "/p?a=1%26b%3D2&b%3d=3", "a", []string{"1&b=2"}},
		{"escaped separators in a name", "/p?a=1%26b%3D2&b%3d=3", "b=", []string{"3"}},
		{"an escaped semicolon", "/p?a=1%3bb=2", "a", []string{"1;b=2"}},
		{"an escaped #", "/p?a=1%23b", "a", []string{"1#b"}},
		{"an escaped plus", "/p?a=1%2b2", "a", []string{"1+2"}},
		{"escaped UTF-8", "/p?%c3%A9=%E2%82%AC%f0%9f%98%80", "é", []string{"€😀"}},
		{"the replacement character", "/p?a=%ef%bf%bd", "a", []string{"�"}},
		{"escaped control characters", "/p?a=%0a%7f", "a", []string{"\n\x7f"}},
		{"what a path may have", "/p;x=1%zz?a=1", "a", []string{"1"}},
	} {
		t.Run(tt.name, func(t *testing.T) {
			got, err := values(tt.target, tt.parameter)
			require.NoError(t, err)
			assert.Equal(t, tt.want, got)
		})
	}
}

func TestValuesRefuses(t *testing.T) {
	for target, want := range map[string]error{
		"/p?a=1#b":          query.ErrFragment,
		"/p#b?a=1":          query.ErrFragment,
		"/p#":               query.ErrFragment,
		"/p?a=1;b=2":        query.ErrSemicolon,
		"/p?;":              query.ErrSemicolon,
		"/p?a;b=1":          query.ErrSemicolon,
		"/p?a=1 2":          query.ErrCharacter,
		"/p?a=\t":           query.ErrCharacter,
		"/p?a=\x00":         query.ErrCharacter,
		"/p?a=\x7f":         query.ErrCharacter,
		"/p?a=é":            query.ErrCharacter,
		"/p?a=%":            query.ErrEscape,
		"/p?a=%4":           query.ErrEscape,
		"/p?a=%4&b=1":       query.ErrEscape,
		"/p?a=%zz":          query.ErrEscape,
		"/p?a=%4g":          query.ErrEscape,
		"/p?a=%u0041":       query.ErrEscape,
		"/p?%=1":            query.ErrEscape,
		"/p?a=1&b=50%":      query.ErrEscape, // "%" may be dropped from a name as well
		"/p?a=1%00":         query.ErrNUL,
		"/p?a=1&b%00=":      query.ErrNUL,
		"/p?a=%ff":          query.ErrUTF8,
		"/p?a=%e9":          query.ErrUTF8, // é in Latin-1
		"/p?a=%c3":          query.ErrUTF8,
		"/p?a=%c3&b=%a9":    query.ErrUTF8,
		"/p?%c3=%a9":        query.ErrUTF8,
		"/p?a=%c3x":         query.ErrUTF8,
		"/p?a=%c0%af":       query.ErrUTF8, // an overlong '/'
		"/p?a=%ed%a0%80":    query.ErrUTF8, // half a surrogate pair
		"/p?a=%f4%90%80%80": query.ErrUTF8,
	} {
		for _, name := range []string{"a", "b", "x"} {
			got, err := values(target, name)
			assert.ErrorIs(t, err, want, target)
			assert.Empty(t, got, "%s: nothing is said of a query with a mistake", target)
		}
	}
}

func TestYieldEndsIt(t *testing.T) {
	var got []string
	err := query.Values("/p?a=1&a=2&a=3", "a", func(v string) bool {
		got = append(got, v)
		return v != "2"
	})
	require.NoError(t, err)
	assert.Equal(t, []string{"1", "2"}, got)
}

// Whatever is not refused, net/url reads the same.
func FuzzValues(f *testing.F) {
	for _, s := range [][2]string{
		{"/p?a=1&b=2&a=3", "a"}, {"/p?%61=%41+b", "a"}, {"/p?a;b", "a"}, {"/p?a=%c3%a9", "a"}, {"/p?a=%zz", "a"},
		{"/p?a&=&&", ""}, {"/p?a=b=c?d", "a"}, {"/p?a=%c3&b=%a9", "b"}, {"/p#?a", "a"},
	} {
		f.Add(s[0], s[1])
	}
	f.Fuzz(func(t *testing.T, target, name string) {
		got, err := values(target, name)
		_, raw, _ := strings.Cut(target, "?")
		all, parseErr := url.ParseQuery(raw)
		if err != nil {
			require.Empty(t, got)
			return
		}
		require.NoError(t, parseErr)
		want := all[name]
		if len(want) == 0 {
			want = nil
		}
		require.Equal(t, want, got)
		for name, want := range all {
			got, err := values(target, name)
			require.NoError(t, err)
			require.Equal(t, want, got)
		}
	})
}

func BenchmarkValues(b *testing.B) { budget.Time(b, find) }

// The budgets are in docs/budgets.yaml.
func TestBudgets(t *testing.T) {
	budget.Check(t, map[string]budget.Benchmark{"Values": find})
}

func find(b *budget.Runner) {
	for name, target := range map[string]string{
		"plain": "/search?q=palisade&page=2&tenant=acme", "others are encoded": "/p?a=1&%62=2&c=%c3%a9&tenant=acme", "encoded": "/p?tenant=a%20b",
	} {
		b.Op(name, func() {
			found := false
			if err := query.Values(target, "tenant", func(string) bool { found = true; return true }); err != nil || !found {
				b.Fatal(err)
			}
		})
	}
}

func TestWithout(t *testing.T) {
	for target, want := range map[string]string{
		"/a?t=1":               "/a",
		"/a?t=1&b=2":           "/a?b=2",
		"/a?b=2&t=1":           "/a?b=2",
		"/a?b=%41&t=1&c":       "/a?b=%41&c",
		"/a?t=1&t=2&&b=2":      "/a?&b=2",
		"/a?%74=1&u=2&b":       "/a?b",
		"/a?b=1?t=2&t=3":       "/a?b=1?t=2",
		"/a?t":                 "/a",
		"/a%3Ft=1?t=x&tt=1&T=": "/a%3Ft=1?tt=1&T=",
	} {
		rest, found, err := query.Without(target, []string{"t", "u"})
		require.NoError(t, err, target)
		assert.True(t, found, target)
		assert.Equal(t, want, rest)
	}
	for _, target := range []string{"/a", "/a?", "/a?b=1&&c", "/t=1"} {
		rest, found, err := query.Without(target, []string{"t", ""})
		require.NoError(t, err, target)
		assert.False(t, found, target)
		assert.Equal(t, target, rest, "it stays as it was")
	}
	for target, want := range map[string]error{"/a?t=1#": query.ErrFragment, "/a?x;t=1": query.ErrSemicolon, "/a?t=%": query.ErrEscape} {
		_, _, err := query.Without(target, []string{"t"})
		assert.ErrorIs(t, err, want, target)
	}
}
