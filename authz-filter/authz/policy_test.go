package authz

import (
	"encoding/json"
	"errors"
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

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
	r, err := request.Load(h)
	require.NoError(t, err)
	return p.Decide(r)
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
	wrongHost := to(object{"hosts": []string{"other.test"}})
	wrongClaim := object{"to": []object{{"operation": object{"methods": []string{"GET"}}}}, "when": []object{{"key": "request.auth.claims[scope]", "values": []string{"write"}}}}
	for name, c := range map[string]struct {
		rules  []object
		rule   string
		reason string
	}{
		"the only one":               {[]object{stranger}, "rules[0]", `principals does not match "example.org/ns/shop/sa/backend"`},
		"a path is nearer than none": {[]object{stranger, wrongHost}, "rules[1]", `hosts does not match "service.test"`},
		"the first of equals":        {[]object{wrongPath, stranger}, "rules[0]", `paths does not match "/a"`},
		"conditions come last":       {[]object{wrongPath, wrongHost, wrongClaim}, "rules[2]", `request.auth.claims[scope] does not match "read"`},
		"what the request lacks":     {[]object{when(object{"key": "request.headers[x-a]", "values": []string{"1"}})}, "rules[0]", "request.headers[x-a] does not match: the request has none"},
		"an expression":              {[]object{when(object{"cel": "false"})}, "rules[0]", `cel "false"`},
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
	assert.Equal(t, []Match{
		{Policy: "look", Rule: "rules[0]", Action: ActionAudit},
		{Policy: "strict", Rule: "rules[0]", Action: ActionDeny, DryRun: true},
		{Policy: "lax", Rule: "rules[0]", Action: ActionAllow, DryRun: true},
	}, res.Shadow)
	config["policies"] = config["policies"].([]object)[:4]
	res = decide(t, config, get("/a"))
	assert.EqualValues(t, 403, res.Status, "dry-run and AUDIT allow nothing")
	assert.Empty(t, res.Policy)
}

// What cannot be evaluated denies where it is asked for a DENY, and never allows.
func TestDoubt(t *testing.T) {
	claim := object{"key": "request.auth.claims[scope]", "values": []string{"read"}}
	notClaim := object{"key": "request.auth.claims[scope]", "notValues": []string{"write"}}
	user := object{"from": []object{{"source": object{"requestPrincipals": []string{"*"}}}}}
	notUser := object{"from": []object{{"source": object{"notRequestPrincipals": []string{"x"}}}}}
	unreadable := func(h *hosttest.Host) { h.Properties["palisade.jwt"] = "[" }
	failing := func(name string) func(*hosttest.Host) {
		return func(h *hosttest.Host) {
			n := map[string]int{"peer": 0, "claims": 1, "third": 2}[name]
			properties := -1
			h.Fault = func(_ int, call string) bool {
				if call == "Property" {
					properties++
				}
				return call == "Property" && properties == n
			}
		}
	}
	for name, c := range map[string]struct {
		rule  object
		spoil func(*hosttest.Host)
	}{
		"claims that are not readable":   {when(claim), unreadable},
		"not a claim":                    {when(notClaim), unreadable},
		"claims that the host withholds": {when(claim), failing("claims")},
		"a user":                         {user, failing("claims")},
		"not a user":                     {notUser, failing("claims")},
		"a port":                         {to(object{"ports": []int{80}}), failing("third")},
		"not a port":                     {to(object{"notPorts": []int{80}}), failing("third")},
		"server name":                    {when(object{"key": "connection.sni", "notValues": []string{"x"}}), failing("third")},
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
		failing("peer")(h)
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
		`{"policies": [{"name": "a", "rules": [{"from": [{"source": {"ipBlocks": ["::/0"]}}]}]}]}`:              "not supported",
		`{"trustDomains": ["Example.org"]}`:                                                                     "expected a trust domain",
		`{"identity": {"source": "xfcc"}}`:                                                                      "$.identity.source",
		`{"claims": {"source": "jwt_authn", "metadataKey": "corp"}}`:                                            "$.claims.source",
		`{"remoteIP": {"trustedHops": 1}}`:                                                                      "$.remoteIP.trustedHops",
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
