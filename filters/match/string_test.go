package match_test

import (
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/palisade-mesh/palisade/filters/match"
)

func TestString(t *testing.T) {
	for pattern, c := range map[string]struct{ yes, no []string }{
		"x":   {[]string{"x"}, []string{"", "X", "xx", "x*"}},
		"x*":  {[]string{"x", "xy", "x*"}, []string{"", "yx", "X"}},
		"*x":  {[]string{"x", "yx"}, []string{"", "xy"}},
		"*":   {[]string{"x", "*", " "}, []string{""}},
		"a b": {[]string{"a b"}, []string{"a  b"}},
	} {
		s, err := match.ParseString(pattern)
		require.NoError(t, err, pattern)
		assert.Equal(t, pattern, s.String())
		for _, v := range c.yes {
			assert.True(t, s.Match(v), "%q matches %q", pattern, v)
		}
		for _, v := range c.no {
			assert.False(t, s.Match(v), "%q does not match %q", pattern, v)
		}
	}
}

func TestStringRefusesAStarInside(t *testing.T) {
	for _, pattern := range []string{"a*b", "*a*", "**", "a**", "**a", "*a*b"} {
		_, err := match.ParseString(pattern)
		assert.ErrorIs(t, err, match.ErrStar, pattern)
	}
}
