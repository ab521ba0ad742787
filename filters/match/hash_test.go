package match

import (
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

func TestHash(t *testing.T) {
	seen := map[uint32]string{}
	for _, text := range []string{"/a", "/a*", "*/a", "*", "/a/{*}", "/a/{**}", "/a/b", "/{*}/a", "/a/{*}/b"} {
		p, err := ParsePath(text)
		require.NoError(t, err)
		again, _ := ParsePath(text)
		assert.Equal(t, p.Hash(), again.Hash())
		assert.NotContains(t, seen, p.Hash(), "%s and %s", text, seen[p.Hash()])
		seen[p.Hash()] = text
	}
	a, _ := ParseHost("a.example.")
	b, _ := ParseHost("A.example")
	assert.Equal(t, a.Hash(), b.Hash())
}
