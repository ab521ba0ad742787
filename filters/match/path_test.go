package match_test

import (
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/palisade-mesh/palisade/filters/match"
)

func TestPath(t *testing.T) {
	for pattern, c := range map[string]struct{ yes, no []string }{
		"/a":            {[]string{"/a"}, []string{"/a/", "/A", "/ab", "", "/"}},
		"/a/*":          {[]string{"/a/", "/a/b", "/a/b/c"}, []string{"/a", "/ab"}},
		"*.json":        {[]string{"/x.json", "/a/b.json"}, []string{"/x.json/y"}},
		"*":             {[]string{"/", "/a"}, []string{""}},
		"/a/{*}":        {[]string{"/a/b", "/a/{*}"}, []string{"/a/", "/a", "/a/b/", "/a/b/c", "/b/b"}},
		"/{*}/x":        {[]string{"/a/x"}, []string{"//x", "/x", "/a/b/x"}},
		"/{*}/{*}":      {[]string{"/a/b"}, []string{"/a", "/a/", "/a/b/c"}},
		"/a/{**}":       {[]string{"/a/", "/a/b", "/a/b/c/"}, []string{"/a", "/ab", "/b/"}},
		"/{**}":         {[]string{"/", "/a", "/a/b"}, []string{"", "a"}},
		"/a/{**}/z":     {[]string{"/a/b/z", "/a/b/c/z", "/a//z"}, []string{"/a/z", "/a/b/z/", "/a/b/zz", "/a/b"}},
		"/a/{**}/y/z":   {[]string{"/a/b/y/z"}, []string{"/a/y/z", "/a/b/z"}},
		"/a/{*}/b/{**}": {[]string{"/a/x/b/", "/a/x/b/c/d"}, []string{"/a//b/", "/a/x/b"}},
		"/a/{*}/":       {[]string{"/a/b/"}, []string{"/a/b", "/a//"}},
	} {
		p, err := match.ParsePath(pattern)
		require.NoError(t, err, pattern)
		assert.Equal(t, pattern, p.String())
		for _, v := range c.yes {
			assert.True(t, p.Match(v), "%q matches %q", pattern, v)
		}
		for _, v := range c.no {
			assert.False(t, p.Match(v), "%q does not match %q", pattern, v)
		}
	}
}

func TestPathRefuses(t *testing.T) {
	for pattern, want := range map[string]error{
		"/a{*}":        match.ErrOperator,
		"/{*}b":        match.ErrOperator,
		"/{id}":        match.ErrOperator,
		"/{id=*}":      match.ErrOperator,
		"/}":           match.ErrOperator,
		"/{***}":       match.ErrOperator,
		"/{*}{*}":      match.ErrOperator,
		"/{**}/{**}":   match.ErrOperatorLast,
		"/{**}/a/{*}":  match.ErrOperatorLast,
		"/{*}/a*":      match.ErrTemplateStar,
		"/{*}/*":       match.ErrTemplateStar,
		"*/{*}":        match.ErrTemplateStar,
		"/a/{**}/b/c*": match.ErrTemplateStar,
	} {
		_, err := match.ParsePath(pattern)
		assert.ErrorIs(t, err, want, pattern)
	}
	_, err := match.ParsePath("/a/*/b")
	assert.ErrorContains(t, err, "{*}", "says what to write instead")
}
