package match_test

import (
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/palisade-mesh/palisade/filters/match"
)

func TestNormalPath(t *testing.T) {
	// The form at each level: none, base, merge-slashes, decode-and-merge-slashes.
	for path, want := range map[string][4]string{
		"/":                   {"/", "/", "/", "/"},
		"/a/b":                {"/a/b", "/a/b", "/a/b", "/a/b"},
		"/a/":                 {"/a/", "/a/", "/a/", "/a/"},
		"/./a":                {"/./a", "/a", "/a", "/a"},
		"/a/.":                {"/a/.", "/a/", "/a/", "/a/"},
		"/a/..":               {"/a/..", "/", "/", "/"},
		"/a/../b":             {"/a/../b", "/b", "/b", "/b"},
		"/../../a":            {"/../../a", "/a", "/a", "/a"},
		"/a/.../b":            {"/a/.../b", "/a/.../b", "/a/.../b", "/a/.../b"},
		"/a/..b/.c":           {"/a/..b/.c", "/a/..b/.c", "/a/..b/.c", "/a/..b/.c"},
		"//a///b//":           {"//a///b//", "//a///b//", "/a/b/", "/a/b/"},
		"//../a":              {"//../a", "/a", "/a", "/a"},
		"/%61%2D%7e":          {"/%61%2D%7e", "/a-~", "/a-~", "/a-~"},
		"/%2e%2E/a":           {"/%2e%2E/a", "/a", "/a", "/a"},
		"/a%2fb":              {"/a%2fb", "/a%2Fb", "/a%2Fb", "/a/b"},
		"/a%5cb":              {"/a%5cb", "/a%5Cb", "/a%5Cb", "/a/b"},
		`/a\b`:                {`/a\b`, `/a\b`, `/a\b`, "/a/b"},
		`/a\..\b`:             {`/a\..\b`, `/a\..\b`, `/a\..\b`, "/b"},
		"/a/%2e%2e%2fb":       {"/a/%2e%2e%2fb", "/a/..%2Fb", "/a/..%2Fb", "/b"},
		"/%252e%252e/a":       {"/%252e%252e/a", "/%252e%252e/a", "/%252e%252e/a", "/%252e%252e/a"},
		"/%3f%23%25%c3%a9":    {"/%3f%23%25%c3%a9", "/%3F%23%25%C3%A9", "/%3F%23%25%C3%A9", "/%3F%23%25%C3%A9"},
		"/100%":               {"/100%", "/100%", "/100%", "/100%"},
		"/%zz%4":              {"/%zz%4", "/%zz%4", "/%zz%4", "/%zz%4"},
		"/%%32e%%32e/a":       {"/%%32e%%32e/a", "/%%32e%%32e/a", "/%%32e%%32e/a", "/%%32e%%32e/a"},
		"/%2%65%2%65/a":       {"/%2%65%2%65/a", "/%2%65%2%65/a", "/%2%65%2%65/a", "/%2%65%2%65/a"},
		"/%%30%30":            {"/%%30%30", "/%%300", "/%%300", "/%%300"},
		"*":                   {"*", "*", "*", "*"},
		"":                    {"", "", "", ""},
		"/caf\xc3\xa9/../tea": {"/caf\xc3\xa9/../tea", "/tea", "/tea", "/tea"},
	} {
		for level, form := range want {
			got, err := match.NormalPath(path, match.Normalization(level))
			require.NoError(t, err, path)
			assert.Equal(t, form, got, "%q at %s", path, match.Normalizations[level])
		}
	}
}

func TestNormalPathRefusesANULAtEveryLevel(t *testing.T) {
	for level := match.None; level <= match.DecodeAndMergeSlash; level++ {
		for _, path := range []string{"/a\x00", "/a%00b", "%00"} {
			_, err := match.NormalPath(path, level)
			assert.ErrorIs(t, err, match.ErrNUL, path)
		}
	}
}

func TestNormalPathRefusesWhatReadersDisagreeOn(t *testing.T) {
	for _, path := range []string{"/public//../admin", "/public/%2e//%2E./admin", "/admin//../public/x", "/a//b/../../c"} {
		for level := match.MergeSlashes; level <= match.DecodeAndMergeSlash; level++ {
			_, err := match.NormalPath(path, level)
			assert.ErrorIs(t, err, match.ErrAmbiguous, path)
		}
	}
	for _, path := range []string{"/public/%2F../admin", `/public\\..\admin`} {
		_, err := match.NormalPath(path, match.DecodeAndMergeSlash)
		assert.ErrorIs(t, err, match.ErrAmbiguous, path)
	}
	got, err := match.NormalPath("/public//../admin", match.Base)
	require.NoError(t, err)
	assert.Equal(t, "/public/admin", got, "where slashes are not merged there is one reading")
}

func TestCutQuery(t *testing.T) {
	for target, want := range map[string]string{"/a": "/a", "/a?b?c#d": "/a", "/a#b?c": "/a", "?": "", "/a%3fb": "/a%3fb"} {
		assert.Equal(t, want, match.CutQuery(target), target)
	}
}

func TestParseNormalization(t *testing.T) {
	for i, name := range match.Normalizations {
		level, ok := match.ParseNormalization(name)
		assert.True(t, ok)
		assert.Equal(t, match.Normalization(i), level)
	}
	_, ok := match.ParseNormalization("BASE")
	assert.False(t, ok)
}

// A normal form is its own, and has nothing that its level removes.
func FuzzNormalPath(f *testing.F) {
	for _, s := range []string{
		"/a/../b", "/%2e%2e/", `/a\..\b`, "//a//", "/%%32e", "/%2%65", "/a/%2F..", "/.%2e/a", "/a%00", "%2fa", "/a/./", "/%25%32%65", "a/../b",
	} {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, path string) {
		for level := match.None; level <= match.DecodeAndMergeSlash; level++ {
			normal, err := match.NormalPath(path, level)
			if err != nil {
				continue
			}
			again, err := match.NormalPath(normal, level)
			require.NoError(t, err, "%q, the normal form of %q", normal, path)
			require.Equal(t, normal, again, "the normal form of the normal form of %q", path)
			require.LessOrEqual(t, len(normal), max(len(path), 1))
			require.NotContains(t, normal, "%00")
			if level == match.None || !strings.HasPrefix(normal, "/") {
				continue
			}
			require.NotContains(t, normal+"/", "/../")
			require.NotContains(t, normal+"/", "/./")
			lower := strings.ToLower(normal)
			require.NotContains(t, lower, "%2e", "a dot that is left encoded")
			if level >= match.MergeSlashes {
				require.NotContains(t, normal, "//")
			}
			if level == match.DecodeAndMergeSlash {
				require.NotContains(t, normal, `\`)
				require.NotContains(t, lower, "%2f")
				require.NotContains(t, lower, "%5c")
			}
		}
	})
}

func TestWithoutParameters(t *testing.T) {
	for path, want := range map[string]string{
		"": "", "/a/b": "/a/b", "/a;v=1/b": "/a/b", "/a;v=1": "/a", ";": "", "/;/": "//", "/a;x;y/b;z/c": "/a/b/c",
		"/public/..;/admin": "/public/../admin", "/a;/": "/a/", "/a%3bx": "/a%3bx",
	} {
		assert.Equal(t, want, match.WithoutParameters(path), path)
	}
}
