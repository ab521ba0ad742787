package ascii_test

import (
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"

	"github.com/palisade-mesh/palisade/filters/ascii"
)

func TestEqual(t *testing.T) {
	const text = "the same text, some forty bytes in length"
	for size := range len(text) + 1 {
		a, b := text[:size], []byte(text[:size])
		assert.True(t, ascii.Equal(a, string(b)), "%d bytes", size)
		assert.True(t, ascii.Equal(a, a), "%d bytes", size)
		assert.False(t, ascii.Equal(a, a+"x"), "%d bytes", size)
		for at := range b {
			b[at] ^= 1
			assert.False(t, ascii.Equal(a, string(b)), "%d bytes, another at %d", size, at)
			b[at] ^= 1
		}
	}
	assert.False(t, ascii.Equal(strings.Repeat("x", 8), strings.Repeat("y", 8)))
}
