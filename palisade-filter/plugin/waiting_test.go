package plugin_test

import (
	"strings"
	"testing"

	rls "github.com/envoyproxy/go-control-plane/envoy/service/ratelimit/v3"
	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/palisade-mesh/palisade/filters/casetest"
	"github.com/palisade-mesh/palisade/filters/host"
	"github.com/palisade-mesh/palisade/filters/hosttest"
	"github.com/palisade-mesh/palisade/filters/wasmtest"
	"github.com/palisade-mesh/palisade/palisade-filter/plugin"
)

const remoteConfig = `{
	"jwt": {"providers": {"corp": {"issuer": "https://idp.example", "jwksUri": "https://idp.example/keys", "jwksCluster": "idp"}}},
	"authz": {"policies": [{"name": "alice", "rules": [{"when": [{"key": "request.auth.claims[sub]", "values": ["alice", "carol"]}]}]}]},
	"ratelimit": {"global": {"cluster": "ratelimit", "onError": "deny"},
		"limits": [{"name": "all", "key": ["claim:sub"], "rate": {"requests": 5, "per": "1h"}, "scope": "global"}]}}`

// driver is a worker, natively or in a module.
type driver struct {
	request func() host.Action
	respond func(host.CallID, uint32)
}

func drivers(t *testing.T, test func(t *testing.T, h *hosttest.Host, d driver)) {
	newHost := func() *hosttest.Host {
		return &hosttest.Host{Config: []byte(remoteConfig), Clusters: []string{"idp", "ratelimit"}}
	}
	t.Run("native", func(t *testing.T) {
		h := newHost()
		handler, err := plugin.Filter.Configure(h)
		require.NoError(t, err)
		test(t, h, driver{
			request: func() host.Action { return handler.RequestHeaders(h) },
			respond: func(id host.CallID, size uint32) { handler.(host.Background).HTTPResponse(h, id, size) },
		})
	})
	t.Run("Wasm", func(t *testing.T) {
		m, err := wasmtest.Load(t.Context(), wasmtest.Artifact(t, plugin.Filter.Name))
		require.NoError(t, err)
		t.Cleanup(func() { require.NoError(t, m.Close(t.Context())) })
		h := newHost()
		vm, err := m.Start(t.Context(), h)
		require.NoError(t, err)
		test(t, h, driver{
			request: func() host.Action {
				action, err := vm.Request()
				require.NoError(t, err)
				return action
			},
			respond: func(id host.CallID, size uint32) { require.NoError(t, vm.First().HTTPResponse(id, size)) },
		})
	})
}

// Requests wait for keys, then each for the rate limit service, and go on, or not, one by one.
func TestWaitingForKeysAndForTheService(t *testing.T) {
	drivers(t, func(t *testing.T, h *hosttest.Host, d driver) {
		streams := map[string]host.StreamID{}
		for _, user := range []string{"alice", "bob", "carol"} {
			token := casetest.Token{Claims: map[string]any{"iss": "https://idp.example", "sub": user, "exp": "+10m"}}
			h.NextRequest([][2]string{
				{":method", "GET"}, {":path", "/"}, {":authority", "a"}, {"authorization", "Bearer " + token.Compact(t)},
			}, nil)
			require.Equal(t, host.Stop, d.request())
			require.Nil(t, h.Sent)
			streams[user] = h.Stream()
		}
		require.Len(t, h.HTTPCalls, 1)
		require.Equal(t, "idp", h.HTTPCalls[0].Cluster)
		h.Answer(1, "200", casetest.Keys(t), d.respond)
		require.Len(t, h.HTTPCalls, 3, "for whom authz allows")
		for i, user := range []string{"alice", "carol"} {
			require.Equal(t, "ratelimit", h.HTTPCalls[i+1].Cluster)
			require.Contains(t, h.HTTPCalls[i+1].Body, user, "the claims are its own")
		}
		check := func(user string, resumed bool, status uint32) {
			t.Helper()
			if h.Stream() != streams[user] {
				require.True(t, h.Enter(streams[user]))
			}
			assert.Equal(t, resumed, h.Resumed, user)
			if status == 0 {
				assert.Nil(t, h.Sent, user)
			} else if assert.NotNil(t, h.Sent, user) {
				assert.Equal(t, status, h.Sent.Status, user)
			}
			if user != "bob" {
				assert.Contains(t, h.Properties["palisade.authz"], `"requestPrincipal":"https://idp.example/`+user)
				assert.Contains(t, h.Properties["palisade.jwt"], user, "published for others")
			}
		}
		check("alice", false, 0)
		check("bob", false, 403)
		check("carol", false, 0)
		h.AnswerGRPC(3, casetest.ServiceAnswer(t, rls.RateLimitResponse_OVER_LIMIT), "0", d.respond)
		check("carol", false, 429)
		h.AnswerGRPC(2, casetest.ServiceAnswer(t, rls.RateLimitResponse_OK), "0", d.respond)
		check("alice", true, 0)
	})
}

// Whatever a section has wrong is told with its path, also what only the host's CEL engine finds.
func TestMistakes(t *testing.T) {
	for config, want := range map[string][]string{
		`{}`:            {"config: $: nothing is configured"},
		`{"authz": 1}`:  {"config: $.authz: expected an object, found the number 1"},
		`{"waf": {}}`:   {"config: $.waf: unknown field"},
		`{"jwt": null}`: {"config: $.jwt: expected an object, found null"},
		`{"jwt": {}, "authz": {"polices": []}, "ratelimit": {"limits": [{}]}}`: {
			"config: $.jwt.providers: missing", "config: $.authz.polices: unknown field", "config: $.ratelimit.limits[0].name: missing",
		},
		`{"authz": {"policies": [{"name": "a", "rules": [{"when": [{"cel": "a b"}]}]}]},
		  "ratelimit": {"limits": [{"name": "a", "key": ["cel:c d"], "rate": {"requests": 1, "per": "1s"}}]}}`: {
			`config: $.authz.policies[0].rules[0].when[0].cel: found "a b"`, `config: $.ratelimit.limits[0].key[0]: found "cel:c d"`,
		},
	} {
		_, err := plugin.Filter.Configure(&hosttest.Host{Config: []byte(config)})
		require.Error(t, err, config)
		lines := strings.Split(err.Error(), "\n")
		for _, line := range want {
			assert.Condition(t, func() bool {
				for _, l := range lines {
					if strings.HasPrefix(l, line) {
						return true
					}
				}
				return false
			}, "%s\nnot in %q", line, lines)
		}
	}
}
