package match_test

import (
	"fmt"
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"

	"github.com/palisade-mesh/palisade/filters/match"
)

// Names that differ in one place only get different slots, wherever that is: workloads and users are often numbered at the end.
func TestSpread(t *testing.T) {
	const slots = 64
	for size := 1; size <= 64; size++ {
		for at := max(0, size-16); at < size; at++ {
			seen := map[uint32]bool{}
			for c := 'a'; c <= 'p'; c++ {
				seen[match.Spread(strings.Repeat("x", at)+string(c)+strings.Repeat("x", size-at-1))%slots] = true
			}
			assert.Greater(t, len(seen), 7, "of 16 names of %d bytes that differ in number %d", size, at)
		}
	}
	seen := map[uint32]bool{}
	for i := range 9 {
		seen[match.Spread(fmt.Sprint("example.org/ns/shop/sa/backend-", i))%slots] = true
	}
	assert.Greater(t, len(seen), 4, "numbered workloads")
}
