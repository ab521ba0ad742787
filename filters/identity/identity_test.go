package identity_test

import (
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/palisade-mesh/palisade/filters/casetest"
	"github.com/palisade-mesh/palisade/filters/hosttest"
	"github.com/palisade-mesh/palisade/filters/identity"
	"github.com/palisade-mesh/palisade/filters/match"
	"github.com/palisade-mesh/palisade/filters/request"
)

const (
	digestProperty = "connection.sha256_peer_certificate_digest"
	certProperty   = "connection.peer_certificate"

	gateway  = "spiffe://example.org/ns/edge/sa/gateway"
	backend  = "spiffe://example.org/ns/shop/sa/backend"
	frontend = "spiffe://example.org/ns/shop/sa/frontend"
)

func workload(t *testing.T, v *identity.Resolver, h *hosttest.Host) (string, error) {
	t.Helper()
	r, err := request.Load(h)
	require.NoError(t, err)
	id, err := v.Workload(r)
	return id.String(), err
}

func TestCertificate(t *testing.T) {
	without := func(p map[string]string, names ...string) map[string]string {
		for _, name := range names {
			delete(p, name)
		}
		return p
	}
	garbled := casetest.Peer(t, backend)
	garbled[certProperty] = garbled[certProperty][:100]
	for name, c := range map[string]struct {
		properties map[string]string
		want       string
	}{
		"one URI":                         {casetest.Peer(t, backend), backend},
		"two":                             {casetest.Peer(t, backend, frontend), ""},
		"none":                            {casetest.Peer(t), ""},
		"no SPIFFE ID":                    {casetest.Peer(t, "https://example.org/backend"), ""},
		"no certificate":                  {nil, ""},
		"a host without certificates":     {without(casetest.Peer(t, backend, frontend), certProperty), backend},
		"a host without digests":          {without(casetest.Peer(t, backend, frontend), certProperty, digestProperty), backend},
		"a certificate that is not whole": {garbled, ""},
	} {
		t.Run(name, func(t *testing.T) {
			var v identity.Resolver
			for range 3 { // first, remembered, and asked in the other order
				id, err := workload(t, &v, &hosttest.Host{Properties: c.properties})
				require.NoError(t, err)
				assert.Equal(t, c.want, id)
			}
		})
	}
}

// One resolver meets many certificates; each keeps its name, however they alternate.
func TestCertificatesAreNotMixedUp(t *testing.T) {
	var v identity.Resolver
	var properties []map[string]string
	var want []string
	for i := range 200 {
		uri := "spiffe://example.org/ns/n/sa/w" + strings.Repeat("x", i)
		properties, want = append(properties, casetest.Peer(t, uri)), append(want, uri)
	}
	properties, want = append(properties, nil, casetest.Peer(t, backend, frontend)), append(want, "", "")
	h := &hosttest.Host{} // one, because it lends the same memory to each request
	for range 2 {
		for i := range properties {
			h.NextRequest(nil, properties[i])
			id, err := workload(t, &v, h)
			require.NoError(t, err)
			require.Equal(t, want[i], id)
		}
	}
}

func TestAHostThatFailsIsAnError(t *testing.T) {
	properties := casetest.Peer(t, backend)
	for n := range 3 { // each of the questions, of a resolver that has not seen the certificate
		var v identity.Resolver
		h := &hosttest.Host{Properties: properties}
		r, err := request.Load(h)
		require.NoError(t, err)
		asked := 0
		h.Fault = func(_ int, call string) bool { asked++; return asked == n+1 }
		id, err := v.Workload(r)
		assert.Error(t, err, n)
		assert.True(t, id.IsZero())
	}
}

func TestForwarded(t *testing.T) {
	trusted, err := match.ParseString(strings.TrimPrefix(gateway, "spiffe://"))
	require.NoError(t, err)
	through := casetest.Peer(t, gateway)
	own := "Hash=" + through[digestProperty] + ";URI=" + gateway
	for name, c := range map[string]struct {
		peer   map[string]string
		header []string
		want   string
		fails  bool
	}{
		"the proxy's client":                      {through, []string{"URI=" + backend}, backend, false},
		"no header":                               {through, nil, "", false},
		"the last element":                        {through, []string{"URI=" + backend + ",URI=" + frontend}, frontend, false},
		"in two lines":                            {through, []string{"URI=" + backend, "URI=" + frontend}, frontend, false},
		"this proxy has written on the other":     {through, []string{"URI=" + backend + "," + own}, backend, false},
		"and nobody else":                         {through, []string{own}, "", false},
		"two proxies in a row":                    {through, []string{"URI=" + backend + ",URI=" + gateway}, backend, false},
		"a proxy that speaks for itself":          {through, []string{"URI=" + gateway}, "", false},
		"two URIs":                                {through, []string{"URI=" + backend + ";URI=" + frontend}, "", false},
		"no URI":                                  {through, []string{"Hash=" + through[digestProperty][1:] + "0"}, "", false},
		"what cannot be read":                     {through, []string{"URI=" + backend + ";Subject=\"x"}, "", true},
		"not trusted":                             {casetest.Peer(t, frontend), []string{"URI=" + backend}, frontend, false},
		"not trusted, and it cannot be read":      {casetest.Peer(t, frontend), []string{"\""}, frontend, false},
		"nobody":                                  {nil, []string{"URI=" + backend}, "", false},
		"two names, the first of them trusted":    {casetest.Peer(t, gateway, frontend), []string{"URI=" + backend}, "", false},
		"a name that begins like a trusted one":   {casetest.Peer(t, gateway+"2"), []string{"URI=" + backend}, gateway + "2", false},
		"trusted, but in another trust domain":    {casetest.Peer(t, "spiffe://evil.example/ns/edge/sa/gateway"), []string{"URI=" + backend}, "spiffe://evil.example/ns/edge/sa/gateway", false},
		"an element that says it is this proxy's": {through, []string{own + ",URI=" + frontend}, frontend, false},
	} {
		t.Run(name, func(t *testing.T) {
			v := identity.Resolver{XFCC: true, From: []match.String{trusted}}
			h := &hosttest.Host{Properties: c.peer}
			for _, value := range c.header {
				h.Headers = append(h.Headers, [2]string{"x-forwarded-client-cert", value})
			}
			id, err := workload(t, &v, h)
			assert.Equal(t, c.fails, err != nil, err)
			assert.Equal(t, c.want, id)
		})
	}
}
