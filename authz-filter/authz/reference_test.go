package authz

import (
	"encoding/json"
	"fmt"
	"iter"
	"maps"
	"math/rand/v2"
	"slices"
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/palisade-mesh/palisade/filters/decision"
	"github.com/palisade-mesh/palisade/filters/hosttest"
	"github.com/palisade-mesh/palisade/filters/match"
	"github.com/palisade-mesh/palisade/filters/request"
)

// reference decides as Policy does, by trying every rule of every policy in turn.
type reference struct{ policy *Policy }

func (p reference) decide(t *testing.T, r *request.Request) Result {
	t.Helper()
	c := p.policy.config
	path, err := match.NormalPath(r.RawPath(), c.Normalization)
	if err != nil {
		return Result{Decision: denied(400, err.Error())}
	}
	s := &subject{policy: p.policy, request: r, path: path}
	if s.other, err = match.OtherPath(r.RawPath(), p.policy.config.Normalization); err != nil {
		return Result{Path: path, Decision: denied(400, err.Error())}
	}
	if s.workload, err = p.policy.workloads.of(r); err != nil {
		return Result{Path: path, Decision: denied(503, "who asks could not be found out: "+err.Error())}
	}
	s.claims = p.policy.claims.Read(r)
	res := Result{
		Path: path, Principal: s.workload.id.Name(), RequestPrincipal: s.claims.Principal(), RemoteIP: s.remoteIP(),
		Decision: p.judge(s, false), Shadow: p.judge(s, true),
	}
	res.HasShadow = res.Shadow != res.Decision
	for _, policy := range c.Policies {
		for j := range policy.Rules {
			if policy.Action == ActionAudit && policy.Rules[j].explain(s, denying).ok {
				res.Audits = append(res.Audits, Match{Policy: policy.Name, Rule: fmt.Sprintf("rules[%d]", j), DryRun: policy.DryRun})
				break
			}
		}
	}
	return res
}

func (p reference) judge(s *subject, withDryRun bool) decision.Decision {
	decide := func(effect decision.Effect, status uint32, policy string, rule int, reason string) decision.Decision {
		return decision.Decision{Effect: effect, Status: status, Policy: policy, Rule: fmt.Sprintf("rules[%d]", rule), Reason: reason}
	}
	for _, policy := range p.policy.config.Policies {
		for j := range policy.Rules {
			if policy.Action == ActionDeny && (withDryRun || !policy.DryRun) {
				if m := policy.Rules[j].explain(s, denying); m.ok {
					return decide(decision.Deny, 403, policy.Name, j, "the DENY rule matches"+m.doubt())
				}
			}
		}
	}
	nearest, best := decision.Decision{}, -1
	for _, policy := range p.policy.config.Policies {
		if policy.Action != ActionAllow || policy.DryRun && !withDryRun {
			continue
		}
		for j := range policy.Rules {
			rule := &policy.Rules[j]
			m := rule.explain(s, allowing)
			if m.ok {
				return decide(decision.Allow, 200, policy.Name, j, "the ALLOW rule matches")
			}
			if rank := rank(rule, s); rank > best {
				best = rank
				nearest = decide(decision.Deny, 403, policy.Name, j, "no ALLOW rule matches; nearest: "+m.String())
			}
		}
	}
	switch {
	case p.policy.config.Default == decision.Allow:
		return decision.Decision{Effect: decision.Allow, Status: 200, Reason: "no policy decides, and the default is to allow"}
	case best < 0:
		return denied(403, "no ALLOW policy is there, and the default is to deny")
	}
	return nearest
}

// rank is how near a rule comes.
func rank(rule *RuleConfig, s *subject) int {
	from, to, near := len(rule.From) == 0, len(rule.To) == 0, false
	for _, c := range rule.From {
		from = from || c.match(s, allowing).ok
	}
	for _, o := range rule.To {
		m := o.match(s, allowing)
		to, near = to || m.ok, near || m.near
	}
	switch {
	case from && to:
		met := 0
		for met < len(rule.When) && rule.When[met].match(s, allowing).ok {
			met++
		}
		return 4 + met
	case from && near:
		return 3
	case to:
		return 2
	case from:
		return 1
	}
	return 0
}

// The index and the reference agree on random policies and requests: on the decision, on the rule that is named and
// on the words.
func TestTheIndexAgreesWithTheReference(t *testing.T) {
	for seed := range uint64(400) {
		agree(t, seed, seed%4 == 0)
	}
}

func FuzzIndex(f *testing.F) {
	for seed := range uint64(8) {
		f.Add(seed, seed%2 == 0)
	}
	f.Fuzz(func(t *testing.T, seed uint64, many bool) { agree(t, seed, many) })
}

// sample counts what the random tests have come across, so that they cannot pass by never doing anything.
type sample map[string]int

func TestTheRandomPoliciesAreMeaningful(t *testing.T) {
	total := sample{}
	for seed := range uint64(100) {
		for what, n := range agree(t, seed, seed%4 == 0) {
			total[what] += n
		}
	}
	t.Log(total)
	for _, what := range []string{
		"allow", "deny by a rule", "deny by doubt", "deny by default", "default allow", "shadow", "audit", "undecided",
		"nearest principals", "nearest notPrincipals", "nearest namespaces", "nearest requestPrincipals", "nearest paths",
		"nearest hosts", "nearest methods", "nearest ports", "nearest request.headers[x-a]", "nearest request.auth.claims[scope]", "nearest cel",
	} {
		assert.Greater(t, total[what], 3, what)
	}
}

func agree(t *testing.T, seed uint64, many bool) sample {
	t.Helper()
	random := generator{rand.New(rand.NewPCG(seed, 7))}
	policies := 1 + random.IntN(6)
	if many {
		policies = 50 + random.IntN(150)
	}
	document := random.config(policies)
	text, err := json.Marshal(document)
	require.NoError(t, err)
	c, err := Decode(text)
	require.NoError(t, err, string(text))
	p, err := Compile(c, &engine{})
	require.NoError(t, err)
	got := sample{}
	for range 30 {
		h := random.request()
		r, err := request.Load(h)
		require.NoError(t, err)
		want := reference{p}.decide(t, r)
		res := *p.Decide(r)
		require.Equal(t, want.Decision, res.Decision, "seed %d: %s\n%v %v", seed, text, h.Headers, h.Properties)
		require.Equal(t, want.HasShadow, res.HasShadow, "seed %d: %s\n%v", seed, text, h.Headers)
		if want.HasShadow {
			require.Equal(t, want.Shadow, res.Shadow, "seed %d: %s\n%v", seed, text, h.Headers)
		}
		want.Shadow, res.Shadow = decision.Decision{}, decision.Decision{}
		require.Equal(t, want, res)
		got.count(res)
	}
	return got
}

func (got sample) count(res Result) {
	switch {
	case res.Status == 503 || res.Status == 400:
		got["undecided"]++
	case res.Effect == decision.Allow && res.Rule == "":
		got["default allow"]++
	case res.Effect == decision.Allow:
		got["allow"]++
	case strings.Contains(res.Reason, "because"):
		got["deny by doubt"]++
	case strings.HasPrefix(res.Reason, "the DENY"):
		got["deny by a rule"]++
	default:
		got["deny by default"]++
	}
	if _, nearest, ok := strings.Cut(res.Reason, "nearest: "); ok {
		part, _, _ := strings.Cut(nearest, " ")
		got["nearest "+part]++
	}
	if res.HasShadow {
		got["shadow"]++
	}
	got["audit"] += len(res.Audits)
}

// sorted makes what is generated depend on the seed only.
func sorted(m map[string][]string) iter.Seq2[string, []string] {
	return func(yield func(string, []string) bool) {
		for _, k := range slices.Sorted(maps.Keys(m)) {
			if !yield(k, m[k]) {
				return
			}
		}
	}
}

// generator makes policies and requests of few words, so that they meet.
type generator struct{ *rand.Rand }

func (g generator) one(of ...string) string { return of[g.IntN(len(of))] }

func (g generator) some(of ...string) []string {
	out := []string{g.one(of...)}
	for g.IntN(3) == 0 {
		out = append(out, g.one(of...))
	}
	return out
}

func (g generator) chance(n int) bool { return g.IntN(n) == 0 }

func (g generator) config(policies int) object {
	var list []object
	for i := range policies {
		p := object{"name": fmt.Sprintf("p%d", i), "action": g.one("ALLOW", "ALLOW", "ALLOW", "DENY", "AUDIT"), "dryRun": g.chance(5)}
		if policies > 10 && g.chance(3) {
			p["action"] = "ALLOW"
		}
		var rules []object
		for range g.IntN(4) {
			rules = append(rules, g.rule(policies > 10))
		}
		if rules != nil {
			p["rules"] = rules
		}
		list = append(list, p)
	}
	c := object{"policies": list}
	if g.chance(6) {
		c["defaultAction"] = "allow"
	}
	if g.chance(4) {
		c["trustDomains"] = []string{"example.org"}
	}
	if g.chance(4) {
		c["trustDomainAliases"] = object{"old.example": "example.org"}
	}
	return c
}

func (g generator) rule(narrow bool) object {
	rule := object{}
	if !g.chance(3) {
		var from []object
		for range 1 + g.IntN(2) {
			from = append(from, object{"source": g.source()})
		}
		rule["from"] = from
	}
	if !g.chance(4) || narrow && len(rule) == 0 {
		var to []object
		for range 1 + g.IntN(2) {
			to = append(to, object{"operation": g.operation(narrow)})
		}
		rule["to"] = to
	}
	if g.chance(2) || narrow {
		var when []object
		for range 1 + g.IntN(2) {
			when = append(when, g.condition(narrow))
		}
		rule["when"] = when
	}
	return rule
}

var (
	principals        = []string{"example.org/ns/a/sa/x", "example.org/ns/a/sa/y", "example.org/ns/b/sa/x", "example.org/other", "old.example/ns/a/sa/x"}
	requestPrincipals = []string{"https://i/alice", "https://i/bob", "https://j/alice"}
	methods           = []string{"GET", "POST", "DELETE"}
	paths             = []string{"/", "/a", "/a/b", "/a/b/c", "/b", "/b/c", "/ab"}
	hosts             = []string{"db", "api.test", "api.test:8080", "web.test"}
)

func (g generator) source() object {
	s := object{}
	for len(s) == 0 {
		for field, values := range sorted(map[string][]string{
			"principals": append(principals, "example.org/*", "*/sa/x", "*"), "notPrincipals": append(principals, "*/sa/y"),
			"namespaces": {"a", "b", "*"}, "notNamespaces": {"b"}, "serviceAccounts": {"a/x", "x", "b/*", "y"},
			"notServiceAccounts": {"a/y"}, "trustDomains": {"example.org", "*.example"}, "notTrustDomains": {"old.example"},
			"requestPrincipals": append(requestPrincipals, "https://i/*", "*"), "notRequestPrincipals": requestPrincipals,
		}) {
			if g.chance(8) {
				s[field] = g.some(values...)
			}
		}
	}
	return s
}

func (g generator) operation(narrow bool) object {
	o := object{}
	for len(o) == 0 {
		for field, values := range sorted(map[string][]string{
			"paths": append(paths, "/a/*", "*/c", "/{*}", "/a/{*}", "/{**}", "/{*}/b/{**}", "/a/{**}/c"), "notPaths": append(paths, "/b*"),
			"hosts": append(hosts, "*.test", "api*", "*"), "notHosts": hosts,
			"methods": append(methods, "P*"), "notMethods": methods, "ports": {"80", "443"}, "notPorts": {"80"},
		}) {
			if g.chance(6) || narrow && field == "paths" && g.chance(2) {
				o[field] = g.some(values...)
			}
		}
	}
	return o
}

func (g generator) condition(narrow bool) object {
	if !narrow && g.chance(5) {
		return object{"cel": g.one("true", "false", "broken")}
	}
	keys := map[string][]string{
		"request.headers[x-a]":            {"1", "2", "1*", "*"},
		"request.auth.claims[scope]":      {"read", "write", "adm*"},
		"request.auth.claims[org][dept]":  {"sales", "dev"},
		"request.auth.principal":          requestPrincipals,
		"request.auth.audiences":          {"x", "y"},
		"source.namespace":                {"a", "b"},
		"source.principal":                principals,
		"connection.sni":                  {"db", "api"},
		"request.method":                  methods,
		"request.headers[:authority]":     {"db", "api.test"},
		"request.auth.claims[absent]":     {"z"},
		"request.auth.claims[scope][sub]": {"z"},
	}
	names := slices.Sorted(maps.Keys(keys))
	key := names[g.IntN(len(names))]
	if narrow && g.chance(2) {
		key = "request.auth.claims[scope]" // so that many rules have it
	}
	c := object{"key": key}
	if !g.chance(4) {
		c["values"] = g.some(keys[key]...)
	}
	if len(c) == 1 || g.chance(5) {
		c["notValues"] = g.some(keys[key]...)
	}
	return c
}

func (g generator) request() *hosttest.Host {
	h := &hosttest.Host{
		Headers:    [][2]string{{":method", g.one(methods...)}, {":path", g.one(paths...) + g.one("", "", "?q=1", "/", "/x", ";v=1", "/..;/b")}, {":authority", g.one(hosts...)}},
		Properties: map[string]string{"source.address": "127.0.0.1:4000", "destination.port": "\x50\x00\x00\x00\x00\x00\x00\x00"},
	}
	for g.chance(2) {
		h.Headers = append(h.Headers, [2]string{"x-a", g.one("1", "2", "3")})
	}
	if !g.chance(4) {
		h.Properties["connection.uri_san_peer_certificate"] = "spiffe://" + g.one(principals...)
	}
	if !g.chance(3) {
		issuer, subject, _ := strings.Cut(strings.TrimPrefix(g.one(requestPrincipals...), "https://"), "/")
		h.Properties["palisade.jwt"] = fmt.Sprintf(`{"p":{"iss":"https://%s","sub":%q,"scope":[%q,"other"],"aud":%q,"org":{"dept":%q}}}`,
			issuer, subject, g.one("read", "write", "admin"), g.one("x", "y"), g.one("sales", "dev", "ops"))
	}
	switch {
	case g.chance(15):
		h.Properties["palisade.jwt"] = "["
	case g.chance(15):
		delete(h.Properties, "destination.port")
	case g.chance(30):
		h.Headers[1][1] = "/a//../b"
	}
	if g.chance(2) {
		h.Properties["connection.requested_server_name"] = g.one("db", "api", "")
	}
	return h
}
