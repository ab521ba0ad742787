package ascii_test

import (
	"strconv"
	"testing"

	"github.com/stretchr/testify/assert"

	"github.com/palisade-mesh/palisade/filters/ascii"
)

func TestHex(t *testing.T) {
	for c := range 256 {
		want, err := strconv.ParseUint(string([]byte{byte(c)}), 16, 8)
		got, ok := ascii.Hex(byte(c))
		assert.Equal(t, err == nil, ok, c)
		assert.EqualValues(t, want, got, c)
	}
}
