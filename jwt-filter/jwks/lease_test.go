package jwks

import (
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/palisade-mesh/palisade/filters/host"
	"github.com/palisade-mesh/palisade/filters/hosttest"
	"github.com/palisade-mesh/palisade/jwt-filter/jwt"
)

const remoteConfig = `{"providers": {"corp": {"issuer": "https://idp.example", "jwksUri": "https://idp.example/keys",
	"jwksCluster": "idp", "timeout": "60s"}}}`

const keySet = `{"keys": [{"kty": "OKP", "crv": "Ed25519", "x": "11qYAYKxCrfVS_7TyWQHOg7hcvPapiMlrwIaaPcHURo"}]}`

// newKeeper is a worker's.
func newKeeper(t *testing.T) *Keeper {
	t.Helper()
	c, err := jwt.Decode([]byte(remoteConfig))
	require.NoError(t, err)
	return New(c, jwt.New(c, jwt.InWasm{}), func(host.Host, string) {})
}

// TestALeaseIsKept: as long as who fetches is there, and however long the answer takes, nobody else does.
func TestALeaseIsKept(t *testing.T) {
	h := &hosttest.Host{Clusters: []string{"idp"}}
	fetcher, other := newKeeper(t), newKeeper(t)
	now := time.Unix(1_700_000_000, 0)
	for range 100 {
		fetcher.Tick(h, now, false)
		other.Tick(h, now, false)
		now = now.Add(renewPeriod)
	}
	assert.Len(t, h.HTTPCalls, 1)
	assert.LessOrEqual(t, fetcher.ticking, renewPeriod)

	// Its answer still counts, for the other as well.
	h.Answer(1, "200", keySet, func(id host.CallID, size uint32) { assert.True(t, fetcher.HTTPResponse(h, id, size, now)) })
	assert.True(t, other.Tick(h, now, false))
	assert.EqualValues(t, 1, other.sets[0].revision)
	assert.Len(t, h.HTTPCalls, 1)
}

// TestALeaseIsTakenOver: whoever fetches may be gone, with its configuration or its VM.
func TestALeaseIsTakenOver(t *testing.T) {
	h := &hosttest.Host{Clusters: []string{"idp"}}
	fetcher, other := newKeeper(t), newKeeper(t)
	now := time.Unix(1_700_000_000, 0)
	fetcher.Tick(h, now, false)
	require.Len(t, h.HTTPCalls, 1)
	other.Tick(h, now.Add(leaseTime-time.Millisecond), false)
	assert.Len(t, h.HTTPCalls, 1)
	other.Tick(h, now.Add(leaseTime), false)
	require.Len(t, h.HTTPCalls, 2)

	// If it was only late, it does not take the lease back, and its failure does not end the other's.
	fetcher.Tick(h, now.Add(leaseTime), false)
	assert.Len(t, h.HTTPCalls, 2)
	h.Answer(1, "500", "", func(id host.CallID, size uint32) {
		assert.True(t, fetcher.HTTPResponse(h, id, size, now.Add(leaseTime)))
	})
	s, _, ok := fetcher.sets[0].read(h)
	require.True(t, ok)
	assert.Equal(t, other.sets[0].lease, s.lease)
}

// TestALostFetchForAKeyIDIsMadeUpFor: it may not be asked for again for long, but it was not answered.
func TestALostFetchForAKeyIDIsMadeUpFor(t *testing.T) {
	h := &hosttest.Host{Clusters: []string{"idp"}}
	fetcher, other := newKeeper(t), newKeeper(t)
	now := time.Unix(1_700_000_000, 0)
	fetcher.Tick(h, now, false)
	h.Answer(1, "200", keySet, func(id host.CallID, size uint32) { fetcher.HTTPResponse(h, id, size, now) })
	lacks := jwt.Lacks{KeyIDs: 1}
	answer, _ := fetcher.Await(h, lacks, now, now)
	require.Equal(t, Wait, answer)
	require.Len(t, h.HTTPCalls, 2)

	now = now.Add(leaseTime)
	answer, _ = other.Await(h, lacks, now, now)
	assert.Equal(t, Again, answer, "there are keys, to begin with")
	answer, _ = other.Await(h, lacks, now, now)
	assert.Equal(t, Wait, answer)
	assert.Len(t, h.HTTPCalls, 3)
}
