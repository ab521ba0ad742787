package request_test

import (
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/palisade-mesh/palisade/filters/budget"
	"github.com/palisade-mesh/palisade/filters/hosttest"
	"github.com/palisade-mesh/palisade/filters/request"
)

func load(t *testing.T, headers ...[2]string) *request.Request {
	t.Helper()
	r, err := request.Load(&hosttest.Host{Headers: headers})
	require.NoError(t, err)
	return r
}

func TestLoad(t *testing.T) {
	r := load(t, [2]string{":method", "GET"}, [2]string{":path", "/a?b#c"}, [2]string{":authority", "A.example.:80"},
		[2]string{"x-request-id", "7"}, [2]string{"x-a", "1"}, [2]string{"x-a", "2"}, [2]string{"content-type", "application/grpc+proto"})
	assert.Equal(t, "GET", r.Method())
	assert.Equal(t, "/a?b#c", r.Target())
	assert.Equal(t, "/a", r.RawPath())
	assert.Equal(t, "a.example:80", r.Host())
	assert.Equal(t, "7", r.ID())
	assert.True(t, r.IsGRPC())
	var values []string
	r.Header("x-a", func(v string) bool { values = append(values, v); return true })
	assert.Equal(t, []string{"1", "2"}, values)
	r.Header("x-a", func(v string) bool { values = []string{v}; return false })
	assert.Equal(t, []string{"1"}, values)
}

func TestLoadRefusesWhatReadersWouldTakeForDifferentRequests(t *testing.T) {
	for _, name := range []string{":method", ":path", ":authority"} {
		_, err := request.Load(&hosttest.Host{Headers: [][2]string{{name, "a"}, {name, "a"}}})
		assert.ErrorIs(t, err, request.ErrRepeated, name)
	}
	_, err := request.Load(&hosttest.Host{Headers: [][2]string{{":authority", "good.example:x@evil.example"}}})
	assert.ErrorIs(t, err, request.ErrAuthority)
	_, err = request.Load(&hosttest.Host{Fault: func(int, string) bool { return true }})
	assert.ErrorIs(t, err, hosttest.ErrFault)
}

func TestPeer(t *testing.T) {
	h := &hosttest.Host{Properties: map[string]string{"connection.uri_san_peer_certificate": "spiffe://example.org/a"}}
	fail := true
	h.Fault = func(_ int, call string) bool { return call == "Property" && fail }
	r, err := request.Load(h)
	require.NoError(t, err)
	_, err = r.Peer()
	require.Error(t, err, "the host did not say")
	fail = false
	for range 2 {
		id, err := r.Peer()
		require.NoError(t, err)
		assert.Equal(t, "example.org/a", id.Name())
	}
	assert.Equal(t, []string{"RequestHeaders", "Property", "Property"}, h.Calls, "asked until known, and then no more")

	for _, uri := range []string{"", "https://example.org/a", "spiffe://example.org", "spiffe://example.org/a b"} {
		r, err := request.Load(&hosttest.Host{Properties: map[string]string{"connection.uri_san_peer_certificate": uri}})
		require.NoError(t, err)
		id, err := r.Peer()
		require.NoError(t, err)
		assert.True(t, id.IsZero(), "%q is nobody", uri)
	}
}

func TestRemoteIP(t *testing.T) {
	for address, want := range map[string]string{
		"10.0.0.1:80": "10.0.0.1", "[::1]:80": "::1", "[::1]": "::1", "::1": "::1", "10.0.0.1": "10.0.0.1", "": "",
	} {
		r, err := request.Load(&hosttest.Host{Properties: map[string]string{"source.address": address}})
		require.NoError(t, err)
		assert.Equal(t, want, r.RemoteIP(), address)
	}
	assert.Empty(t, load(t).RemoteIP())
}

func TestIsCORSPreflight(t *testing.T) {
	origin, asks := [2]string{"origin", "https://a"}, [2]string{"access-control-request-method", "PUT"}
	assert.True(t, load(t, [2]string{":method", "OPTIONS"}, origin, asks).IsCORSPreflight())
	assert.False(t, load(t, [2]string{":method", "OPTIONS"}, origin).IsCORSPreflight())
	assert.False(t, load(t, [2]string{":method", "OPTIONS"}, asks).IsCORSPreflight())
	assert.False(t, load(t, [2]string{":method", "options"}, origin, asks).IsCORSPreflight())
	assert.False(t, load(t, [2]string{":method", "GET"}, origin, asks).IsCORSPreflight())
}

func TestIsGRPC(t *testing.T) {
	for contentType, want := range map[string]bool{
		"application/grpc": true, "application/grpc+json": true, "application/grpc;a": true, "application/grpc-web": false, "application/json": false,
	} {
		assert.Equal(t, want, load(t, [2]string{"content-type", contentType}).IsGRPC(), contentType)
	}
}

// A worker loads one request after the other into the same Request.
func TestLoadAgain(t *testing.T) {
	var r request.Request
	h := &hosttest.Host{Properties: map[string]string{"connection.uri_san_peer_certificate": "spiffe://example.org/a"}}
	h.Headers = [][2]string{{":method", "GET"}, {":path", "/"}, {":authority", "a"}, {"x-request-id", "7"}, {"content-type", "application/grpc"}}
	require.NoError(t, r.Load(h))
	peer, err := r.Peer()
	require.NoError(t, err)
	require.False(t, peer.IsZero())

	h.NextRequest([][2]string{{":path", "/b"}}, nil)
	require.NoError(t, r.Load(h))
	assert.Equal(t, "/b", r.Target())
	assert.Empty(t, r.Method()+r.Host()+r.ID(), "nothing is left of the request before")
	assert.False(t, r.IsGRPC())
	peer, err = r.Peer()
	require.NoError(t, err)
	assert.True(t, peer.IsZero())

	h.Fault = func(int, string) bool { return true }
	require.ErrorIs(t, r.Load(h), hosttest.ErrFault)
	assert.Empty(t, r.Headers(), "nor if the next one cannot be read")
	assert.Empty(t, r.Target())
}

// still is a source that allocates nothing.
type still struct{ headers [][2]string }

var address = []byte("10.0.0.1:80")

func (s still) RequestHeaders() ([][2]string, error)  { return s.headers, nil }
func (still) Property([]string) ([]byte, bool, error) { return address, true, nil }

func BenchmarkLoad(b *testing.B) { budget.Time(b, loadAgain) }

// The budgets are in docs/budgets.yaml.
func TestBudgets(t *testing.T) {
	budget.Check(t, map[string]budget.Benchmark{"Load": loadAgain})
}

func loadAgain(b *budget.Runner) {
	var r request.Request
	var source request.Source = still{[][2]string{{":method", "GET"}, {":path", "/a"}, {":authority", "a.example:80"}, {"x-a", "1"}}}
	b.Op("", func() {
		if r.Load(source) != nil || r.RemoteIP() == "" {
			b.Fatal("not loaded")
		}
	})
}
