package ascii_test

import (
	"math/rand/v2"
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"

	"github.com/palisade-mesh/palisade/filters/ascii"
)

// isPrintable is the same, simply.
func isPrintable(text string) bool {
	for i := range len(text) {
		if c := text[i]; c != '\t' && (c < ' ' || c > '~') {
			return false
		}
	}
	return true
}

func TestScan(t *testing.T) {
	random := rand.New(rand.NewPCG(1, 2))
	for range 200_000 {
		b := make([]byte, random.IntN(30))
		for i := range b {
			b[i] = "abc,-+\t ~\x7f\x80\xff\x1f\x00\xac\x2d\x2b"[random.IntN(17)]
			if random.IntN(8) > 0 {
				b[i] = byte(' ' + random.IntN(95))
			}
		}
		printable, found := ascii.Scan(string(b), ',')
		if !assert.Equal(t, isPrintable(string(b)), printable, "%q", b) || !assert.Equal(t, strings.Contains(string(b), ","), found, "%q", b) {
			return
		}
	}
	for c := range 256 { // each byte in each place
		for at := range 17 {
			text := strings.Repeat("x", at) + string([]byte{byte(c)}) + strings.Repeat("x", 16-at)
			printable, found := ascii.Scan(text, ',')
			assert.Equal(t, isPrintable(text), printable, "%q", text)
			assert.Equal(t, c == ',', found, "%q", text)
		}
	}
}
