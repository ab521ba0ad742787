package casetest

import (
	"fmt"
	"math/rand/v2"
	"slices"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/palisade-mesh/palisade/filters/host"
	"github.com/palisade-mesh/palisade/filters/hosttest"
	"github.com/palisade-mesh/palisade/filters/wasmtest"
)

// rounds is how often a worker gets each of its cases.
const rounds = 3

// NativeWarm runs the cases of one configuration one after the other in one worker, in several orders. What one request
// leaves behind must not decide about another: hosttest overwrites what belonged to a request when the next one comes,
// as a module does.
func NativeWarm(t *testing.T, f host.Filter, pattern string) {
	forEachConfig(t, f.Name, pattern, func(t *testing.T, h *hosttest.Host) (func() (host.Action, error), error) {
		handler, err := f.Configure(h)
		return func() (host.Action, error) { return respond(handler, h, handler.RequestHeaders(h)), nil }, err
	})
}

// WasmWarm does the same in a compiled filter.
func WasmWarm(t *testing.T, filter, artifact, pattern string) {
	m, err := wasmtest.Load(t.Context(), artifact)
	require.NoError(t, err)
	defer func() { require.NoError(t, m.Close(t.Context())) }()
	forEachConfig(t, filter, pattern, func(t *testing.T, h *hosttest.Host) (func() (host.Action, error), error) {
		vm, err := m.Start(t.Context(), h)
		if err != nil {
			return nil, err
		}
		t.Cleanup(func() { require.NoError(t, vm.Close()) })
		return vm.Request, nil
	})
}

// forgets tells whether the case is about requests that have been counted, so that those of other cases must not be.
func (c *Case) forgets() bool { return c.Config["limits"] != nil || c.Config["ratelimit"] != nil }

type startFunc func(t *testing.T, h *hosttest.Host) (request func() (host.Action, error), err error)

func forEachConfig(t *testing.T, filter, pattern string, start startFunc) {
	for _, file := range LoadFor(t, filter, pattern) {
		workers := map[string]*worker{}
		for _, c := range file.Cases {
			h := c.host(t)
			key := fmt.Sprintf("%s %v %v", h.Config, c.CEL, c.Verifies)
			w := workers[key]
			if w == nil {
				w = &worker{host: h}
				workers[key] = w
			}
			w.turns = append(w.turns, turn{c, h.Headers, h.Properties})
		}
		for _, w := range workers {
			t.Run(w.turns[0].c.Name+" and others", func(t *testing.T) { w.run(t, start) })
		}
	}
}

// worker is one configuration with all its cases.
type worker struct {
	host  *hosttest.Host
	turns []turn
}

// turn is a case with its request, whose tokens are the same each time.
type turn struct {
	c          *Case
	headers    [][2]string
	properties map[string]string
}

func (w *worker) run(t *testing.T, start startFunc) {
	request, err := start(t, w.host)
	require.NoError(t, err, strings.Join(w.host.Logs, "\n"))
	random := rand.New(rand.NewPCG(1, uint64(len(w.turns))))
	for range rounds {
		for _, i := range random.Perm(len(w.turns)) {
			turn := w.turns[i]
			w.host.NextRequest(slices.Clone(turn.headers), turn.properties)
			if turn.c.forgets() {
				clear(w.host.Shared) // what the worker itself remembers is what is looked at
			}
			require.NoError(t, turn.c.before(w.host, request))
			action, err := request()
			require.NoError(t, err)
			t.Run(turn.c.Name, func(t *testing.T) {
				turn.c.Expect.Check(t, outcome(t, turn.c, w.host, action))
			})
		}
	}
}
