package main

import (
	"encoding/json"
	"regexp"
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/palisade-mesh/palisade/authz-filter/plugin"
	"github.com/palisade-mesh/palisade/filters/host"
	"github.com/palisade-mesh/palisade/filters/hosttest"
)

func TestShapes(t *testing.T) {
	for name, c := range map[string]struct {
		services    []service
		count       int
		hosts       int
		paths       int
		first, last service
	}{
		"fewer than hosts": {numbered(20), 20, 20, 20,
			service{"policy-000000", "svc-0.example.org", "/svc-0"}, service{"policy-000019", "svc-19.example.org", "/svc-19"}},
		"more than hosts": {numbered(120), 120, 50, 120,
			service{"policy-000000", "svc-0.example.org", "/svc-0"}, service{"policy-000119", "svc-19.example.org", "/svc-119"}},
		"cross": {cross(4, 5), 20, 4, 5,
			service{"policy-000000", "svc-0.example.org", "/svc-0"}, service{"policy-000019", "svc-3.example.org", "/svc-4"}},
	} {
		t.Run(name, func(t *testing.T) {
			hosts, paths, both := map[string]bool{}, map[string]bool{}, map[string]bool{}
			for _, s := range c.services {
				hosts[s.Host], paths[s.Path], both[s.Host+s.Path] = true, true, true
			}
			assert.Len(t, c.services, c.count)
			assert.Len(t, hosts, c.hosts)
			assert.Len(t, paths, c.paths)
			assert.Len(t, both, c.count, "no two policies allow the same")
			assert.Equal(t, c.first, c.services[0])
			assert.Equal(t, c.last, c.services[c.count-1])
		})
	}
}

// TestAuthzDecides asks authz-filter itself what it makes of the policies and the requests.
func TestAuthzDecides(t *testing.T) {
	for name, c := range map[string]struct {
		services []service
		request  func([]service) request
		effect   string
		policy   string // "": the nearest, whichever that is
	}{
		"last":          {numbered(120), last, "allow", "policy-000119"},
		"denied":        {numbered(120), denied, "deny", ""},
		"last of cross": {cross(4, 5), last, "allow", "policy-000019"},
	} {
		t.Run(name, func(t *testing.T) {
			r := c.request(c.services)
			h := &hosttest.Host{
				Config:     []byte(authzConfig(c.services)),
				Headers:    [][2]string{{":method", "GET"}, {":path", r.Path}, {":authority", r.Host}},
				Properties: map[string]string{},
			}
			handler, err := plugin.Filter.Configure(h)
			require.NoError(t, err)
			action := handler.RequestHeaders(h)
			assert.Equal(t, c.effect == "allow", action == host.Continue)
			var record struct{ Effect, Policy string }
			require.NoError(t, json.Unmarshal([]byte(h.Properties["palisade.authz"]), &record))
			assert.Equal(t, c.effect, record.Effect)
			if c.policy != "" {
				assert.Equal(t, c.policy, record.Policy)
			}
		})
	}
}

// TestRBACIsTheSame compares what native rbac is given with what authz-filter is given.
func TestRBACIsTheSame(t *testing.T) {
	services := numbered(120)
	policies := rbacConfig(services)["rules"].(object)["policies"].(object)
	require.Len(t, policies, len(services))
	for _, s := range services {
		text := compact(policies[s.Policy].(object))
		assert.Contains(t, text, `{"exact":"`+s.Host+`","ignore_case":true}`)
		assert.Contains(t, text, `"path_template":"`+s.Path+`/records/*"`)
		assert.Contains(t, text, `{"path":{"exact":"`+s.Path+`/health"}}`)
		for _, method := range methods {
			assert.Contains(t, text, `"exact":"`+method+`"`)
		}
	}
}

func TestScenariosAreConsistent(t *testing.T) {
	for name, all := range map[string][]scenario{
		"scenarios": scenarios(), "startups": startups(), "counted": append(scenarios(), callScenarios()...),
	} {
		t.Run(name, func(t *testing.T) {
			names := map[string]bool{}
			for _, s := range all {
				assert.False(t, names[s.name], "two scenarios are named %s", s.name)
				names[s.name] = true
				assert.True(t, strings.HasPrefix(s.request.Path, "/"), s.name)
				assert.True(t, name == "startups" || names[s.base()], "%s is compared with what does not come before it", s.name)
			}
			assert.Equal(t, baseline, all[0].name, "what others are compared with comes first")
			assert.Empty(t, all[0].filters)
			if name == "scenarios" {
				for _, c := range comparisons() {
					assert.True(t, names[c.of] && names[c.by], "%s / %s compares a scenario that does not exist", c.of, c.by)
				}
			}
		})
	}
}

func TestUsual(t *testing.T) {
	names := map[string]bool{}
	for _, s := range append(scenarios(), startups()...) {
		names[s.name] = true
	}
	for _, u := range updates() {
		names[u.name] = true
	}
	for _, name := range usual {
		assert.True(t, names[name], "%s does not exist", name)
	}
	wanted := regexp.MustCompile(expressionOf([]string{"jwt-cached", "rbac-10000"}))
	assert.True(t, wanted.MatchString("rbac-10000"))
	for _, name := range []string{"rbac-10000-denied", "jwt-cached-headers", "x-jwt-cached", "rbac-100000"} {
		assert.False(t, wanted.MatchString(name), name)
	}
}

func TestChosen(t *testing.T) {
	token := request{Headers: bearer("x")}
	all := []scenario{
		{name: baseline}, {name: "authz-20"}, {name: "rbac-20"}, {name: baselineToken, request: token},
		{name: "jwt", request: token},
	}
	for expression, want := range map[string][]string{
		"":              {baseline, "authz-20", "rbac-20", baselineToken, "jwt"},
		"authz":         {baseline, "authz-20"},
		"^20":           {baseline},
		"authz|rbac-20": {baseline, "authz-20", "rbac-20"},
		"jwt":           {baseline, baselineToken, "jwt"},
		"token":         {baseline, baselineToken},
	} {
		t.Run(expression, func(t *testing.T) {
			var names []string
			for _, s := range chosen(all, regexp.MustCompile(expression)) {
				names = append(names, s.name)
			}
			assert.Equal(t, want, names)
		})
	}
}

func TestWanted(t *testing.T) {
	t.Cleanup(func() { *all, *only, *scaling = false, "", false })
	for _, c := range []struct {
		all    bool
		only   string
		found  []string
		absent []string
		err    string
	}{
		{found: []string{"palisade-cached"}, absent: []string{"jwt-distinct"}},
		{all: true, found: []string{"palisade-cached", "jwt-distinct"}},
		{only: "distinct", found: []string{"jwt-distinct"}, absent: []string{"palisade-cached"}},
		{only: "(", err: "-scenarios: "},
		{all: true, only: "jwt", err: "either of them"},
	} {
		*all, *only, *scaling = c.all, c.only, false
		wanted, err := wantedScenarios()
		if c.err != "" {
			assert.ErrorContains(t, err, c.err)
			continue
		}
		require.NoError(t, err)
		for _, name := range c.found {
			assert.True(t, wanted.MatchString(name), "%+v: %s", c, name)
		}
		for _, name := range c.absent {
			assert.False(t, wanted.MatchString(name), "%+v: %s", c, name)
		}
		assert.Equal(t, c.all, *scaling)
	}
}
