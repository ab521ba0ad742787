package plugin

import (
	"math/rand/v2"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/palisade-mesh/palisade/filters/host"
)

// A map is the model.
func TestFlights(t *testing.T) {
	r := rand.New(rand.NewPCG(1, 2))
	var f flights
	model := map[host.StreamID]*flight{}
	var live []host.StreamID
	next := host.StreamID(1)
	for range 200_000 {
		if most := 300; len(live) < most && r.IntN(2) == 0 {
			next += host.StreamID(1 + r.IntN(70))
			l := f.add(next)
			require.Empty(t, l.headers, "nothing is left of who had it before")
			l.headers = append(l.headers, byte(next))
			model[next] = l
			live = append(live, next)
		} else if len(live) > 0 {
			i := r.IntN(len(live))
			f.remove(live[i])
			delete(model, live[i])
			live[i] = live[len(live)-1]
			live = live[:len(live)-1]
		}
		require.Equal(t, len(model), f.used)
		if len(live) > 0 {
			id := live[r.IntN(len(live))]
			require.Same(t, model[id], f.find(id))
		}
		assert.Nil(t, f.find(next+1))
	}
	for id, l := range model {
		require.Same(t, l, f.find(id))
	}
	assert.LessOrEqual(t, len(f.table), 1024)
	f.remove(next + 1)
	assert.Equal(t, len(model), f.used)
}
