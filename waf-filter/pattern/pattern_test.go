package pattern_test

import (
	"testing"

	"github.com/stretchr/testify/assert"

	"github.com/palisade-mesh/palisade/waf-filter/pattern"
)

func TestIsOfBytes(t *testing.T) {
	for expr, want := range map[string]bool{
		`abc`: false, `é`: false, `\x41`: false, `\xc3\xa9`: false, `\x{c3}\x{a9}`: false, `\x{e9}`: true, `\xe9`: true,
		`\xbc[^\xbe>]*[\xbe>]`: true, `\x{bc}|<`: true, `(?i)\x{BC}`: true, `\x{20ac}`: false, `\x`: false, `\x{`: false, `\x{e9`: false,
		`\xzz`: false, `a\\xe9`: false, `a\\\xe9`: true, `[\x80-\xff]`: true, "\xff": true, `\d\xe9`: true, ``: false, `\`: false,
	} {
		assert.Equal(t, want, pattern.IsOfBytes(expr), expr)
	}
}
