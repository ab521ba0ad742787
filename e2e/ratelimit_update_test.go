package e2e

import (
	"fmt"
	"testing"

	"github.com/stretchr/testify/assert"
)

const updatedLimit = 300

// goodLimits have a limit on /limited that stays the same, beside others that
// do not: by turns, /even and /odd are for nobody.
func goodLimits(i int) string {
	return fmt.Sprintf(`{"audit": {"log": "off"}, "limits": [
		{"name": "p%d", "match": {"paths": [%q]}, "key": ["header:x-nobody-has"], "onMissingKey": "deny", "rate": {"requests": 1, "per": "1s"}},
		{"name": "stays", "match": {"paths": ["/limited"]}, "rate": {"requests": %d, "per": "8000h"}}]}`,
		i, [...]string{"/odd", "/even"}[i%2], updatedLimit)
}

// badLimits would limit nobody.
func badLimits(i int) string { return fmt.Sprintf(`{"policy%d": []}`, i) }

// TestUpdateOfLimits changes the limits of an Envoy that is under load, as
// TestUpdate does: no request fails, and a limit that stays goes on with what
// was used of it. Its bucket is used up at one of the updates in the middle.
func TestUpdateOfLimits(t *testing.T) {
	eachWay(t, updates{"ratelimit-filter", goodLimits, badLimits}, func(t *testing.T, u *updated) {
		l := &load{
			paths: []string{"/both", "/even", "/odd", "/limited"}, limited: "/limited",
			allows: func(config int, path string) bool {
				return path == "/both" || path == [...]string{"/even", "/odd"}[config%2]
			},
		}
		testUpdate(t, u, l)
		assert.EqualValues(t, updatedLimit, l.admitted.Load())
		assert.Greater(t, l.refused.Load(), int64(updatedLimit))
	})
}
