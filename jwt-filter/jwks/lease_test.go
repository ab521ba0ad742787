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

const testSet = `{"keys": [{"kty": "OKP", "crv": "Ed25519", "x": "11qYAYKxCrfVS_7TyWQHOg7hcvPapiMlrwIaaPcHURo"}]}`

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
	h.Answer(1, "200", testSet, func(id host.CallID, size uint32) { assert.True(t, fetcher.HTTPResponse(h, id, size, now)) })
	assert.True(t, other.Tick(h, now, false))
	assert.EqualValues(t, 1, other.sets[0].revision)
	assert.Len(t, h.HTTPCalls, 1)
}

// TestAWorkerHeldUp: one that has read the clock before another took the lease, or had its answer, does not fetch as well. A lease that
// is further ahead than that is of a clock which was set back.
func TestAWorkerHeldUp(t *testing.T) {
	h := &hosttest.Host{Clusters: []string{"idp"}}
	fetcher, other := newKeeper(t), newKeeper(t)
	now := time.Unix(1_700_000_000, 0)
	fetcher.Tick(h, now, false)
	other.Tick(h, now.Add(-100*time.Millisecond), false)
	require.Len(t, h.HTTPCalls, 1)
	h.Answer(1, "200", testSet, func(id host.CallID, size uint32) { fetcher.HTTPResponse(h, id, size, now) })
	other.Tick(h, now.Add(-100*time.Millisecond), false)
	require.Len(t, h.HTTPCalls, 1)
	other.Tick(h, now.Add(-time.Hour), false)
	require.Len(t, h.HTTPCalls, 2)

	s := state{unknownID: 10_000}
	assert.False(t, s.mayAskForID(9_900))
	assert.True(t, s.mayAskForID(1_000))
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
	h.Answer(1, "200", testSet, func(id host.CallID, size uint32) { fetcher.HTTPResponse(h, id, size, now) })
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

// otherSet has a key that testSet has not.
const otherSet = `{"keys": [{"kty": "OKP", "crv": "Ed25519", "x": "11qYAYKxCrfVS_7TyWQHOg7hcvPapiMlrwIaaPcHURo", "kid": "new"}]}`

// TestALateAnswerIsNotTakenForANewOne: a set that somebody else has fetched since stays, and is what the late one gets.
func TestALateAnswerIsNotTakenForANewOne(t *testing.T) {
	h := &hosttest.Host{Clusters: []string{"idp"}}
	slow, quick := newKeeper(t), newKeeper(t)
	now := time.Unix(1_700_000_000, 0)
	slow.Tick(h, now, false)
	now = now.Add(leaseTime + time.Second) // without a tick: the lease runs out
	quick.Tick(h, now, false)
	require.Len(t, h.HTTPCalls, 2)
	h.Answer(2, "200", otherSet, func(id host.CallID, size uint32) { quick.HTTPResponse(h, id, size, now) })
	now = now.Add(time.Second)
	h.Answer(1, "200", testSet, func(id host.CallID, size uint32) { slow.HTTPResponse(h, id, size, now) })
	s, _, ok := slow.sets[0].read(h)
	require.True(t, ok)
	assert.Equal(t, otherSet, s.set)
	assert.Equal(t, s.revision, slow.sets[0].revision)
	assert.Zero(t, s.failures)
}

// TestASetThatCouldNotBeSharedIsGivenUp for the next that can be.
func TestASetThatCouldNotBeSharedIsGivenUp(t *testing.T) {
	h := &hosttest.Host{Clusters: []string{"idp"}}
	alone, other := newKeeper(t), newKeeper(t)
	now := time.Unix(1_700_000_000, 0)
	alone.Tick(h, now, false)
	h.Fault = func(_ int, call string) bool { return call == "SetSharedData" }
	h.Answer(1, "200", testSet, func(id host.CallID, size uint32) { alone.HTTPResponse(h, id, size, now) })
	h.Fault = nil
	assert.Equal(t, unshared, alone.sets[0].revision)
	now = now.Add(leaseTime + time.Second)
	other.Tick(h, now, false)
	h.Answer(2, "200", otherSet, func(id host.CallID, size uint32) { other.HTTPResponse(h, id, size, now) })
	alone.Tick(h, now, false)
	assert.Equal(t, other.sets[0].revision, alone.sets[0].revision)
}

// TestMadeUpKeyIDsAreCheap: within the ten seconds, none costs a look at the shared state.
func TestMadeUpKeyIDsAreCheap(t *testing.T) {
	h := &hosttest.Host{Clusters: []string{"idp"}}
	k := newKeeper(t)
	now := time.Unix(1_700_000_000, 0)
	k.Tick(h, now, false)
	h.Answer(1, "200", testSet, func(id host.CallID, size uint32) { k.HTTPResponse(h, id, size, now) })
	lacks := jwt.Lacks{KeyIDs: 1}
	answer, _ := k.Await(h, lacks, now, now)
	require.Equal(t, Wait, answer)
	h.Answer(2, "200", testSet, func(id host.CallID, size uint32) { k.HTTPResponse(h, id, size, now) })
	k.Await(h, lacks, now, now)
	calls := len(h.Calls)
	for range 100 {
		answer, _ = k.Await(h, lacks, now, now)
		require.Equal(t, No, answer)
	}
	assert.Len(t, h.Calls, calls)
	answer, _ = k.Await(h, lacks, now.Add(unknownIDInterval), now.Add(unknownIDInterval))
	assert.Equal(t, Wait, answer)
}
