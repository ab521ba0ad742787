package e2e

import (
	"context"
	"fmt"
	"path/filepath"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/palisade-mesh/palisade/e2e/envoy"
)

const (
	updateWorkers = 2
	updateRounds  = 10
	// updateAnswers is how many answers each configuration must give.
	updateAnswers = 200

	lds = "listener_manager.lds."
)

// ecds is what Envoy's statistics of a filter that is discovered begin with.
func ecds(filter string) string {
	return "extension_config_discovery.http_filter.palisade." + filter + "."
}

// updates are configurations of a filter, by number. Bad ones would allow
// everything, but have a field "policy<i>", which does not exist.
type updates struct {
	filter    string
	good, bad func(i int) string
}

var policyUpdates = updates{"authz-filter", goodPolicies, badPolicies}

// badPolicies would allow everything, and have a field that does not exist.
func badPolicies(i int) string {
	return fmt.Sprintf(`{"policies": [{"name": "all", "rules": [{}]}], "policy%d": []}`, i)
}

// goodPolicies allows /both and, by turns, /even and /odd.
func goodPolicies(i int) string {
	const policies = `{"audit": {"log": "off"}, "policies": [{"name": "p%d", "rules": [{"to": [{"operation": {"paths": ["/both", %q]}}]}]}]}`
	return fmt.Sprintf(policies, i, [...]string{"/even", "/odd"}[i%2])
}

// TestUpdate changes the policies of an Envoy that is under load: no request
// may fail or be decided in any other way than by the old or the new ones, and
// none by the old ones once Envoy says that the new ones are in force. Policies
// with a mistake in them leave the old ones in force.
func TestUpdate(t *testing.T) {
	eachWay(t, policyUpdates, func(t *testing.T, u *updated) {
		testUpdate(t, u, &load{
			paths: []string{"/both", "/even", "/odd", "/neither"},
			allows: func(config int, path string) bool {
				return path == "/both" || path == [...]string{"/even", "/odd"}[config%2]
			},
		})
	})
}

// eachWay has an Envoy that is updated in each of the ways that there are.
func eachWay(t *testing.T, c updates, test func(*testing.T, *updated)) {
	t.Run("ECDS", func(t *testing.T) { test(t, startECDS(t, c)) })
	t.Run("LDS, filter chain in place", func(t *testing.T) { test(t, startLDS(t, c, false)) })
	t.Run("LDS, whole listener", func(t *testing.T) { test(t, startLDS(t, c, true)) })
}

// updated is an Envoy with a way to give it another configuration of a filter.
type updated struct {
	updates
	envoy *envoy.Envoy
	// write gives Envoy a configuration; i is different each time.
	write func(i int, config string) error
	// accepted and rejected are the counters by which Envoy says what became
	// of it.
	accepted, rejected string
	// perUpdate is by how much accepted grows.
	perUpdate int
	// countsAll: what is rejected is counted as accepted, too.
	countsAll bool
}

func startECDS(t *testing.T, c updates) *updated {
	filter := envoy.Wasm{Name: c.filter, DiscoveryFile: filepath.Join(t.TempDir(), "filter.json")}
	u := &updated{
		updates: c, accepted: ecds(c.filter) + "config_reload", rejected: ecds(c.filter) + "update_rejected", perUpdate: 1, countsAll: true,
	}
	u.write = func(_ int, config string) error {
		filter.Config = config
		return filter.WriteDiscovery()
	}
	require.NoError(t, u.write(0, u.good(0)))
	u.start(t, func(b *envoy.Bootstrap) {
		b.Listeners = []envoy.Listener{{Name: "inbound", Cluster: "upstream", Filters: []envoy.Wasm{filter}}}
	})
	return u
}

// startLDS replaces the listener's filter chain, for which Envoy keeps the
// listener, or the whole listener.
func startLDS(t *testing.T, c updates, whole bool) *updated {
	file := filepath.Join(t.TempDir(), "listeners.json")
	u := &updated{
		updates: c, accepted: "listener_manager.listener_create_success", rejected: lds + "update_rejected", perUpdate: updateWorkers,
	}
	if !whole {
		u.accepted, u.perUpdate = "listener_manager.listener_in_place_updated", 1
	}
	u.write = func(i int, config string) error {
		l := envoy.Listener{Name: "inbound", Cluster: "upstream", Filters: []envoy.Wasm{{Name: c.filter, Config: config}}}
		if whole && i%2 == 1 {
			l.Inspectors = []envoy.Extension{{
				Name: "envoy.filters.listener.http_inspector", Type: "envoy.extensions.filters.listener.http_inspector.v3.HttpInspector",
			}}
		}
		return envoy.WriteListeners(file, l)
	}
	require.NoError(t, u.write(0, u.good(0)))
	u.start(t, func(b *envoy.Bootstrap) { b.ListenersFile = file })
	return u
}

func (u *updated) start(t *testing.T, complete func(*envoy.Bootstrap)) {
	t.Helper()
	upstream := startUpstream(t)
	b := envoy.Bootstrap{Clusters: []envoy.Cluster{upstream.Cluster("upstream")}}
	complete(&b)
	u.envoy = startEnvoyWith(t, envoy.Options{Bootstrap: render(t, b), Concurrency: updateWorkers, DrainTime: 5 * time.Second})
}

func testUpdate(t *testing.T, u *updated, l *load) {
	l.address = u.envoy.Listener("inbound")
	startLoad(t, l)
	l.more(t, updateAnswers)
	for i := 1; i <= updateRounds; i++ {
		// A mistake between any two configurations changes nothing.
		u.reject(t, i, u.bad(i))
		l.more(t, updateAnswers)

		l.epoch.Add(1)
		u.accept(t, i, u.good(i))
		l.epoch.Add(1)
		l.more(t, updateAnswers)
	}
	l.finish(t)
	t.Logf("%d answers on %d connections", l.answers.Load(), l.dials.Load())
}

// accept writes a configuration and waits until it is in force.
func (u *updated) accept(t *testing.T, i int, config string) {
	t.Helper()
	before, rejected := u.stat(t, u.accepted), u.stat(t, u.rejected)
	require.NoError(t, u.write(i, config))
	u.await(t, u.accepted, before+u.perUpdate)
	require.Equal(t, rejected, u.stat(t, u.rejected))
}

// reject writes a configuration and waits until it is refused.
func (u *updated) reject(t *testing.T, i int, config string) {
	t.Helper()
	before, accepted := u.stat(t, u.rejected), u.stat(t, u.accepted)
	require.NoError(t, u.write(i, config))
	u.await(t, u.rejected, before+1)
	if u.countsAll {
		u.await(t, u.accepted, accepted+1)
	}
	ctx, cancel := context.WithTimeout(t.Context(), 10*time.Second)
	defer cancel()
	_, err := u.envoy.Log().Line(ctx, fmt.Sprintf("%s: config: $.policy%d: unknown field", u.filter, i))
	assert.NoError(t, err)
}

func (u *updated) stat(t *testing.T, name string) int {
	t.Helper()
	value, err := u.envoy.Stat(t.Context(), name)
	require.NoError(t, err)
	return value
}

func (u *updated) await(t *testing.T, name string, value int) {
	t.Helper()
	require.Eventually(t, func() bool { return u.stat(t, name) >= value }, 30*time.Second, 2*time.Millisecond, "%s", name)
}

// TestUpdateAfterMistake pins down what Envoy makes of policies that it refused
// by ECDS: it never serves without policies, but some of it is surprising.
func TestUpdateAfterMistake(t *testing.T) {
	ecds := ecds("authz-filter")
	upstream := startUpstream(t)
	dir := t.TempDir()
	listeners := filepath.Join(dir, "listeners.json")
	filter := envoy.Wasm{Name: "authz-filter", DiscoveryFile: filepath.Join(dir, "authz.json"), Config: badPolicies(0)}
	listener := envoy.Listener{Name: "inbound", Cluster: "upstream", Filters: []envoy.Wasm{filter}}
	require.NoError(t, filter.WriteDiscovery())
	require.NoError(t, envoy.WriteListeners(listeners, listener))
	u := &updated{envoy: startEnvoy(t, render(t, envoy.Bootstrap{
		ListenersFile: listeners, Clusters: []envoy.Cluster{upstream.Cluster("upstream")},
	}))}
	write := func(policies string) {
		filter.Config = policies
		require.NoError(t, filter.WriteDiscovery())
	}
	status := func() int {
		code, _ := get(t, nil, "http://"+u.envoy.Listener("inbound")+"/even", nil)
		return code
	}

	// Envoy starts with the mistake, and answers everything itself.
	assert.Equal(t, 1, u.stat(t, ecds+"update_rejected"))
	assert.Equal(t, 500, status())
	assert.Zero(t, upstream.Requests())

	// It recovers by itself.
	write(goodPolicies(0))
	u.await(t, ecds+"update_success", 1)
	u.await(t, ecds+"config_reload", 2)
	assert.Equal(t, 200, status())

	// A mistake is refused, but the same one again counts as a success: Envoy
	// takes it for what it has already. The old policies stand, and until there
	// are other good ones no listener that refers to them can be changed.
	write(badPolicies(1))
	u.await(t, ecds+"update_rejected", 2)
	write(badPolicies(1))
	u.await(t, ecds+"update_success", 2)
	assert.Equal(t, 2, u.stat(t, ecds+"update_rejected"))
	assert.Equal(t, 200, status())
	listener.Manager = map[string]any{"server_name": "changed"}
	require.NoError(t, envoy.WriteListeners(listeners, listener))
	u.await(t, lds+"update_rejected", 1)
	assert.Equal(t, 200, status())

	write(goodPolicies(1))
	u.await(t, ecds+"update_success", 3)
	u.await(t, ecds+"config_reload", 4)
	assert.Equal(t, 403, status())
}
