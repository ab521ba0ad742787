package authz

import (
	"encoding/json"
	"errors"
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/palisade-mesh/palisade/filters/decision"
	"github.com/palisade-mesh/palisade/filters/hosttest"
	"github.com/palisade-mesh/palisade/filters/request"
)

type object = map[string]any

// engine knows expressions that are "true", "false" or anything else, which is an error.
type engine struct{ compiled []string }

func (e *engine) Compile(text string) (uint32, error) {
	e.compiled = append(e.compiled, text)
	return uint32(len(e.compiled) - 1), nil
}

func (e *engine) Evaluate(id uint32) (bool, error) {
	switch text := e.compiled[id]; text {
	case "true", "false":
		return text == "true", nil
	}
	return false, errors.New("no such attribute")
}

func decide(t *testing.T, config object, h *hosttest.Host) Result {
	t.Helper()
	text, err := json.Marshal(config)
	require.NoError(t, err)
	c, err := Decode(text)
	require.NoError(t, err)
	p, err := Compile(c, &engine{})
	require.NoError(t, err)
	r, err := request.Load(failing{h})
	require.NoError(t, err)
	return *p.Decide(r)
}

// failing is a host that fails to give the property that test.failing names.
type failing struct{ *hosttest.Host }

func (h failing) Property(path []string) ([]byte, bool, error) {
	if strings.Join(path, ".") == h.Properties["test.failing"] {
		return nil, false, hosttest.ErrFault
	}
	return h.Host.Property(path)
}

func get(path string, headers ...[2]string) *hosttest.Host {
	return &hosttest.Host{
		Headers: append([][2]string{{":method", "GET"}, {":path", path}, {":authority", "service.test"}}, headers...),
		Properties: map[string]string{
			"connection.uri_san_peer_certificate": "spiffe://example.org/ns/shop/sa/backend",
			"palisade.jwt":                        `{"corp":{"iss":"https://idp.example","sub":"alice","scope":["read"]}}`,
		},
	}
}

func policy(name, action string, rules ...object) object {
	return object{"name": name, "action": action, "rules": rules}
}

func when(conditions ...object) object { return object{"when": conditions} }

func to(operation object) object { return object{"to": []object{{"operation": operation}}} }

// Of the rules that do not match, the one that came furthest explains the denial.
func TestTheNearestRuleExplains(t *testing.T) {
	stranger := object{"from": []object{{"source": object{"principals": []string{"example.org/ns/shop/sa/other"}}}}}
	wrongPath := to(object{"paths": []string{"/b"}})
	wrongMethod := to(object{"paths": []string{"/a"}, "methods": []string{"PUT"}})
	wrongHost := to(object{"hosts": []string{"other.test"}})
	wrongClaim := object{"to": []object{{"operation": object{"methods": []string{"GET"}}}}, "when": []object{{"key": "request.auth.claims[scope]", "values": []string{"write"}}}}
	for name, c := range map[string]struct {
		rules  []object
		rule   string
		reason string
	}{
		"the only one": {[]object{stranger}, "rules[0]", `principals does not match "example.org/ns/shop/sa/backend"`},
		"what is asked for is nearer than who asks": {[]object{wrongHost, stranger}, "rules[1]", `principals does not match "example.org/ns/shop/sa/backend"`},
		"the first of equals":                       {[]object{wrongPath, wrongHost}, "rules[0]", `paths does not match "/a"`},
		"a method is nearer than a path":            {[]object{wrongPath, wrongMethod, stranger}, "rules[1]", `methods does not match "GET"`},
		"conditions come last":                      {[]object{wrongPath, wrongHost, wrongClaim}, "rules[2]", `request.auth.claims[scope] does not match "read"`},
		"what the request lacks":                    {[]object{when(object{"key": "request.headers[x-a]", "values": []string{"1"}})}, "rules[0]", "request.headers[x-a] does not match: the request has none"},
		"an expression":                             {[]object{when(object{"cel": "false"})}, "rules[0]", `cel "false"`},
	} {
		t.Run(name, func(t *testing.T) {
			res := decide(t, object{"policies": []object{policy("p", "ALLOW", c.rules...)}}, get("/a"))
			assert.EqualValues(t, 403, res.Status)
			assert.Equal(t, []string{"p", c.rule}, []string{res.Policy, res.Rule})
			assert.Contains(t, res.Reason, "nearest: "+c.reason)
		})
	}
}

// What may be a token or a cookie is in no reason.
func TestReasonsDoNotRepeatHeaders(t *testing.T) {
	const secret = "s3cret"
	for _, key := range []string{"authorization", "cookie", "x-api-key", ":path"} {
		h := get("/a?token="+secret, [2]string{"authorization", "Bearer " + secret}, [2]string{"cookie", "c=" + secret}, [2]string{"x-api-key", secret})
		for _, condition := range []object{
			{"key": "request.headers[" + key + "]", "values": []string{"x"}},
			{"key": "request.headers[" + key + "]", "notValues": []string{"*"}},
		} {
			res := decide(t, object{"policies": []object{policy("p", "ALLOW", when(condition))}}, h)
			assert.EqualValues(t, 403, res.Status)
			assert.Contains(t, res.Reason, "request.headers["+key+"] does not match the request's value")
			assert.NotContains(t, res.Reason, secret)
		}
	}
}

func TestShadows(t *testing.T) {
	dry := func(p object) object { p["dryRun"] = true; return p }
	config := object{"policies": []object{
		policy("look", "AUDIT", to(object{"paths": []string{"/a"}})),
		policy("look away", "AUDIT", to(object{"paths": []string{"/b"}})),
		dry(policy("strict", "DENY", object{})),
		dry(policy("lax", "ALLOW", object{})),
		policy("real", "ALLOW", object{}),
	}}
	res := decide(t, config, get("/a"))
	assert.Equal(t, "real", res.Policy)
	assert.Equal(t, []Match{{Policy: "look", Rule: "rules[0]"}}, res.Audits)
	assert.True(t, res.HasShadow)
	assert.Equal(t, decision.Decision{Effect: "deny", Status: 403, Policy: "strict", Rule: "rules[0]", Reason: "the DENY rule matches"}, res.Shadow)

	policies := config["policies"].([]object)
	config["policies"] = policies[3:]
	res = decide(t, config, get("/a"))
	assert.Equal(t, "real", res.Policy)
	assert.Equal(t, "lax", res.Shadow.Policy, "the first that would allow")

	config["policies"] = policies[:4]
	res = decide(t, config, get("/a"))
	assert.EqualValues(t, 403, res.Status, "dry-run and AUDIT allow nothing")
	assert.Empty(t, res.Policy)
	assert.Equal(t, "strict", res.Shadow.Policy)

	config["policies"] = policies[3:4]
	res = decide(t, config, get("/a"))
	assert.EqualValues(t, 403, res.Status)
	assert.Equal(t, decision.Allow, res.Shadow.Effect, "and yet it is told that it would")

	config["policies"] = []object{dry(policy("posts", "ALLOW", to(object{"methods": []string{"POST"}})))}
	res = decide(t, config, get("/a"))
	assert.Equal(t, "no ALLOW policy is there, and the default is to deny", res.Reason)
	assert.Equal(t, `no ALLOW rule matches; nearest: methods does not match "GET"`, res.Shadow.Reason)

	config["policies"] = []object{dry(policy("posts", "ALLOW", to(object{"methods": []string{"POST"}}))), policy("real", "ALLOW", object{})}
	res = decide(t, config, get("/a"))
	assert.False(t, res.HasShadow, "enforcement would change nothing")
}

// What cannot be evaluated denies where it is asked for a DENY, and never allows.
func TestDoubt(t *testing.T) {
	claim := object{"key": "request.auth.claims[scope]", "values": []string{"read"}}
	notClaim := object{"key": "request.auth.claims[scope]", "notValues": []string{"write"}}
	user := object{"from": []object{{"source": object{"requestPrincipals": []string{"*"}}}}}
	notUser := object{"from": []object{{"source": object{"notRequestPrincipals": []string{"x"}}}}}
	unreadable := func(h *hosttest.Host) { h.Properties["palisade.jwt"] = "[" }
	failing := func(property string) func(*hosttest.Host) {
		return func(h *hosttest.Host) { h.Properties["test.failing"] = property }
	}
	for name, c := range map[string]struct {
		rule  object
		spoil func(*hosttest.Host)
	}{
		"claims that are not readable":   {when(claim), unreadable},
		"not a claim":                    {when(notClaim), unreadable},
		"claims that the host withholds": {when(claim), failing("palisade.jwt")},
		"a user":                         {user, failing("palisade.jwt")},
		"not a user":                     {notUser, failing("palisade.jwt")},
		"a port":                         {to(object{"ports": []int{80}}), failing("destination.port")},
		"not a port":                     {to(object{"notPorts": []int{80}}), failing("destination.port")},
		"server name":                    {when(object{"key": "connection.sni", "notValues": []string{"x"}}), failing("connection.requested_server_name")},
		"an expression":                  {when(object{"cel": "broken"}), func(*hosttest.Host) {}},
		"doubtful, then one that holds":  {when(object{"cel": "broken"}, object{"cel": "true"}), func(*hosttest.Host) {}},
		"one that holds, then doubtful":  {when(object{"cel": "true"}, object{"cel": "broken"}), func(*hosttest.Host) {}},
	} {
		t.Run(name, func(t *testing.T) {
			h := get("/a")
			c.spoil(h)
			res := decide(t, object{"defaultAction": "allow", "policies": []object{policy("p", "DENY", c.rule)}}, h)
			assert.EqualValues(t, 403, res.Status, "a DENY")
			assert.Equal(t, "p", res.Policy)
			assert.Contains(t, res.Reason, "could not be evaluated")

			h = get("/a")
			c.spoil(h)
			res = decide(t, object{"policies": []object{policy("p", "ALLOW", c.rule)}}, h)
			assert.EqualValues(t, 403, res.Status, "an ALLOW")
		})
	}
	t.Run("doubt beside what surely does not match does not deny", func(t *testing.T) {
		res := decide(t, object{"defaultAction": "allow", "policies": []object{policy("p", "DENY", when(object{"cel": "broken"}, object{"cel": "false"}))}}, get("/a"))
		assert.EqualValues(t, 200, res.Status)
	})
	t.Run("without the peer nothing is decided", func(t *testing.T) {
		h := get("/a")
		failing("connection.uri_san_peer_certificate")(h)
		res := decide(t, object{"defaultAction": "allow"}, h)
		assert.EqualValues(t, 503, res.Status)
	})
}

func TestRepeatedHeaders(t *testing.T) {
	const key = "request.headers[x-a]"
	for name, c := range map[string]struct {
		condition      object
		sent           string
		denies, allows bool
	}{
		"all fit":                  {object{"key": key, "values": []string{"1"}}, "1 1", true, true},
		"one fits":                 {object{"key": key, "values": []string{"1"}}, "1 2", true, false},
		"the last fits":            {object{"key": key, "values": []string{"1"}}, "2 1", true, false},
		"none fits":                {object{"key": key, "values": []string{"1"}}, "2 3", false, false},
		"absent":                   {object{"key": key, "values": []string{"1"}}, "", false, false},
		"not, none":                {object{"key": key, "notValues": []string{"1"}}, "2 3", true, true},
		"not, one":                 {object{"key": key, "notValues": []string{"1"}}, "2 1", true, false},
		"not, all":                 {object{"key": key, "notValues": []string{"1"}}, "1 1", false, false},
		"not, absent":              {object{"key": key, "notValues": []string{"1"}}, "", true, true},
		"both, one value for each": {object{"key": key, "values": []string{"*"}, "notValues": []string{"1"}}, "1 2", true, false},
	} {
		t.Run(name, func(t *testing.T) {
			var headers [][2]string
			for _, v := range strings.Fields(c.sent) {
				headers = append(headers, [2]string{"x-a", v})
			}
			res := decide(t, object{"defaultAction": "allow", "policies": []object{policy("p", "DENY", when(c.condition))}}, get("/", headers...))
			assert.Equal(t, c.denies, res.Status == 403, "DENY")
			res = decide(t, object{"policies": []object{policy("p", "ALLOW", when(c.condition))}}, get("/", headers...))
			assert.Equal(t, c.allows, res.Status == 200, "ALLOW")
		})
	}
}

func TestDecodeRefuses(t *testing.T) {
	for config, want := range map[string]string{
		`{"policies": [{"rules": []}]}`:                                                                         "$.policies[0].name: missing",
		`{"policies": [{"name": "a"}, {"name": "a"}]}`:                                                          `a second policy named "a"`,
		`{"policies": [{"name": "a", "action": "allow"}]}`:                                                      `found "allow", expected one of ALLOW, DENY, AUDIT`,
		`{"policies": [{"name": "a", "rules": [{"from": []}]}]}`:                                                "the list is empty",
		`{"policies": [{"name": "a", "rules": [{"from": [{}]}]}]}`:                                              "$.policies[0].rules[0].from[0].source: missing",
		`{"policies": [{"name": "a", "rules": [{"from": [{"source": { }}]}]}]}`:                                 "the object is empty",
		`{"policies": [{"name": "a", "rules": [{"to": [{"operation": {}}]}]}]}`:                                 "the object is empty",
		`{"policies": [{"name": "a", "rules": [{"when": [{"key": "request.method"}]}]}]}`:                       "a condition has values or notValues",
		`{"policies": [{"name": "a", "rules": [{"when": [{"cel": "true", "key": "request.method"}]}]}]}`:        "not both",
		`{"policies": [{"name": "a", "rules": [{"from": [{"source": {"principals": ["evil"]}}]}]}]}`:            "which no workload can have",
		`{"policies": [{"name": "a", "rules": [{"from": [{"source": {"principals": ["a*b"]}}]}]}]}`:             "a '*' stands only",
		`{"policies": [{"name": "a", "rules": [{"when": [{"key": "source.principal", "values": ["evil"]}]}]}]}`: "which no workload can have",
		`{"policies": [{"name": "a", "rules": [{"from": [{"source": {"ipBlocks": ["10.0.0.0/33"]}}]}]}]}`:       "$.policies[0].rules[0].from[0].source.ipBlocks[0]: found",
		`{"policies": [{"name": "a", "rules": [{"when": [{"key": "remote.ip", "values": ["10.*"]}]}]}]}`:        "$.policies[0].rules[0].when[0].values[0]: found",
		`{"policies": [{"name": "a", "rules": [{"when": [{"key": "request.query", "values": ["x"]}]}]}]}`:       "the brackets do not match",
		`{"trustDomains": ["Example.org"]}`:                                                                     "expected a trust domain",
		`{"trustDomainAliases": {"Old.example": "example.org"}}`:                                                "expected a trust domain",
		`{"trustDomainAliases": {"old.example": "Example.org"}}`:                                                "expected a trust domain",
		`{"trustDomainAliases": {"a.example": "b.example", "b.example": "c.example"}}`:                          "which is an alias itself",
		`{"identity": {"source": "xfcc"}}`:                                                                      "$.identity.from: missing",
		`{"identity": {"source": "xfcc", "from": ["*"]}}`:                                                       "name them",
		`{"identity": {"from": ["example.org/a"]}}`:                                                             "$.identity.from: only with source xfcc",
		`{"claims": {"source": "jwt_authn"}}`:                                                                   "$.claims.metadataKey: missing",
		`{"claims": {"metadataKey": "corp"}}`:                                                                   "$.claims.metadataKey: only with source jwt_authn",
		`{"remoteIP": {"trustedHops": -1}}`:                                                                     "$.remoteIP.trustedHops",
	} {
		_, err := Decode([]byte(config))
		assert.ErrorContains(t, err, want, config)
	}
}

func FuzzConfig(f *testing.F) {
	for _, s := range []string{
		`{}`, ``, `null`, `{"policies": [{"name": "p", "rules": [{}, {"from": [{"source": {"principals": ["*"], "serviceAccounts": ["a"]}}], "to": [{"operation": {"hosts": ["a:1"], "ports": ["1", 2], "paths": ["/{*}", "/{**}/x", "*"]}}], "when": [{"key": "request.auth.claims[a][b]", "values": ["*x"], "notValues": ["x*"]}]}]}]}`,
		`{"defaultAction": "allow", "trustDomains": ["a"], "policies": [{"name": "p", "action": "DENY", "rules": [{"when": [{"cel": "true"}, {"key": "request.headers[host]", "values": ["a"]}]}]}]}`,
		"\x0a\x0c\x0a\x04mode\x12\x04\x1a\x02no",
	} {
		f.Add([]byte(s))
	}
	f.Fuzz(func(t *testing.T, raw []byte) {
		c, err := Decode(raw)
		if err != nil {
			require.Nil(t, c)
			require.NotEmpty(t, err.Error())
			return
		}
		p, err := Compile(c, &engine{})
		require.NoError(t, err)
		r, err := request.Load(get("/a//b/../%2e"))
		require.NoError(t, err)
		require.NotZero(t, p.Decide(r).Status)
	})
}
