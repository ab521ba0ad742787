package ratelimitservice

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"os"
	"os/exec"
	"runtime"
	"strconv"
	"strings"
	"testing"
	"time"

	extension "github.com/envoyproxy/go-control-plane/envoy/extensions/common/ratelimit/v3"
	ratelimit "github.com/envoyproxy/go-control-plane/envoy/service/ratelimit/v3"
	types "github.com/envoyproxy/go-control-plane/envoy/type/v3"
	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	"google.golang.org/grpc"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/credentials/insecure"
	"google.golang.org/grpc/status"
	"google.golang.org/protobuf/types/known/wrapperspb"
)

// config has limits by the year: its window is the one that turns least often.
const config = `
domain: palisade
descriptors:
  - key: limit
    value: per-user
    descriptors:
      - key: claim:sub
        rate_limit: {unit: year, requests_per_unit: 3}
  - key: limit
    value: per-path
    rate_limit: {unit: year, requests_per_unit: 2}
`

const (
	ok   = ratelimit.RateLimitResponse_OK
	over = ratelimit.RateLimitResponse_OVER_LIMIT
	day  = 24 * time.Hour
	// patience is for what a busy machine does late.
	patience = time.Minute
)

func TestAdmitsExactlyTheLimit(t *testing.T) {
	service := startService(t, startRedis(t), nil)
	for remaining := range 3 {
		answer := ask(t, service, user("alice"))
		assert.Equal(t, ok, answer.OverallCode)
		assert.EqualValues(t, 2-remaining, answer.Statuses[0].LimitRemaining)
	}
	answer := ask(t, service, user("alice"))
	assert.Equal(t, over, answer.OverallCode)
	require.Len(t, answer.Statuses, 1)
	got := answer.Statuses[0]
	assert.Equal(t, over, got.Code)
	assert.Equal(t, ratelimit.RateLimitResponse_RateLimit_YEAR, got.CurrentLimit.Unit)
	assert.EqualValues(t, 3, got.CurrentLimit.RequestsPerUnit)
	// The service's years have 365 days.
	assert.Positive(t, got.DurationUntilReset.AsDuration())
	assert.LessOrEqual(t, got.DurationUntilReset.AsDuration(), 365*day)
	assert.Zero(t, got.DurationUntilReset.AsDuration()%time.Second, "whole seconds")

	assert.Equal(t, ok, ask(t, service, user("bob")).OverallCode, "somebody else's bucket")
}

func TestUnknownDescriptorHasNoLimit(t *testing.T) {
	service := startService(t, startRedis(t), nil)
	answer := ask(t, service, descriptor("limit", "no-such"))
	assert.Equal(t, ok, answer.OverallCode)
	require.Len(t, answer.Statuses, 1)
	assert.Equal(t, ok, answer.Statuses[0].Code)
	assert.Nil(t, answer.Statuses[0].CurrentLimit)
	assert.Nil(t, answer.Statuses[0].DurationUntilReset)
}

func TestEachDescriptorHasItsCost(t *testing.T) {
	redis := startRedis(t)
	service := startService(t, redis, nil)
	free, dear := user("alice"), descriptor("limit", "per-path")
	free.HitsAddend, dear.HitsAddend = wrapperspb.UInt64(0), wrapperspb.UInt64(2)
	answer := ask(t, service, free, dear)
	assert.Equal(t, ok, answer.OverallCode)
	assert.EqualValues(t, 3, answer.Statuses[0].LimitRemaining)
	assert.EqualValues(t, 0, answer.Statuses[1].LimitRemaining)
	assert.Equal(t, map[string]int{"limit_per-user_claim:sub_alice": 0, "limit_per-path": 2}, counts(t, redis))
}

func TestDescriptorBringsItsLimit(t *testing.T) {
	service := startService(t, startRedis(t), nil)
	own := descriptor("limit", "of-its-own")
	own.Limit = &extension.RateLimitDescriptor_RateLimitOverride{RequestsPerUnit: 1, Unit: types.RateLimitUnit_YEAR}
	assert.Equal(t, ok, ask(t, service, own).OverallCode)
	assert.Equal(t, over, ask(t, service, own).OverallCode)
}

func TestRefusedRequestsAndOtherLimits(t *testing.T) {
	tests := []struct {
		name     string
		settings map[string]string
		alice    int
	}{
		{"charged", nil, 3},
		{"not charged", map[string]string{"STOP_CACHE_KEY_INCREMENT_WHEN_OVERLIMIT": "true"}, 2},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			redis := startRedis(t)
			service := startService(t, redis, test.settings)
			for range 3 { // the third one is over what per-path admits
				ask(t, service, user("alice"), descriptor("limit", "per-path"))
			}
			assert.Equal(t, map[string]int{"limit_per-user_claim:sub_alice": test.alice, "limit_per-path": 3}, counts(t, redis))
		})
	}
}

func TestServicesCountTogether(t *testing.T) {
	redis := startRedis(t)
	one, other := startService(t, redis, nil), startService(t, redis, nil)
	require.NotEqual(t, one.Port(), other.Port())
	for _, service := range []*Service{one, other, one} {
		assert.Equal(t, ok, ask(t, service, user("alice")).OverallCode)
	}
	assert.Equal(t, over, ask(t, other, user("alice")).OverallCode)
}

func TestKillAndRestart(t *testing.T) {
	service := startService(t, startRedis(t), nil)
	for range 3 {
		ask(t, service, user("alice"))
	}
	address := service.Address()
	service.Kill()
	_, err := call(t, patience, address, user("alice"))
	assert.Equal(t, codes.Unavailable, status.Code(err), "%v", err)

	require.NoError(t, service.Restart(bounded(t)))
	assert.Equal(t, address, service.Address())
	assert.Equal(t, over, ask(t, service, user("alice")).OverallCode, "Redis still has the count")
}

func TestPauseAndContinue(t *testing.T) {
	service := startService(t, startRedis(t), nil)
	require.NoError(t, service.Pause())
	_, err := call(t, 100*time.Millisecond, service.Address(), user("alice"))
	assert.Equal(t, codes.DeadlineExceeded, status.Code(err), "%v", err)
	require.NoError(t, service.Continue())
	assert.Equal(t, ok, ask(t, service, user("bob")).OverallCode)
}

func TestKilledWhilePaused(t *testing.T) {
	redis := startRedis(t)
	service := startService(t, redis, nil)
	require.NoError(t, service.Pause())
	require.NoError(t, service.Restart(bounded(t)))
	assert.Equal(t, ok, ask(t, service, user("alice")).OverallCode)
	require.NoError(t, redis.Pause())
	require.NoError(t, redis.Restart(bounded(t)))
	assert.Empty(t, counts(t, redis))
}

func TestSlow(t *testing.T) {
	service := startService(t, startRedis(t), nil)
	way := startSlow(t, service.Address(), 10*time.Millisecond)
	answer, err := call(t, patience, way.Address(), user("alice"))
	require.NoError(t, err)
	assert.Equal(t, ok, answer.OverallCode)

	service.Kill()
	_, err = call(t, patience, way.Address(), user("alice"))
	assert.Equal(t, codes.Unavailable, status.Code(err), "%v", err)
}

func TestSlowIsOnlyTheAnswer(t *testing.T) {
	server, err := net.Listen("tcp", "127.0.0.1:0")
	require.NoError(t, err)
	defer server.Close()
	client, err := net.Dial("tcp", startSlow(t, server.Addr().String(), time.Hour).Address())
	require.NoError(t, err)
	defer client.Close()
	_, err = client.Write([]byte("question"))
	require.NoError(t, err)

	connection, err := server.Accept()
	require.NoError(t, err)
	defer connection.Close()
	question := make([]byte, len("question"))
	_, err = io.ReadFull(connection, question)
	require.NoError(t, err)
	_, err = connection.Write([]byte("answer"))
	require.NoError(t, err)
	require.NoError(t, client.SetReadDeadline(time.Now().Add(100*time.Millisecond)))
	_, err = client.Read(question)
	assert.ErrorIs(t, err, os.ErrDeadlineExceeded)
}

func TestRedisDown(t *testing.T) {
	redis := startRedis(t)
	service := startService(t, redis, nil)
	ask(t, service, user("alice"))
	redis.Kill()
	_, err := call(t, patience, service.Address(), user("alice"))
	assert.Equal(t, codes.Unknown, status.Code(err), "%v", err)
}

func TestConfigurationRefused(t *testing.T) {
	_, err := Start(bounded(t), Options{Redis: startRedis(t), Config: "domain: palisade\ndescriptor: []\n"})
	assert.ErrorContains(t, err, "descriptor")
	assert.ErrorIs(t, err, errHopeless)
}

func TestServiceThatExits(t *testing.T) {
	_, err := Start(bounded(t), Options{Redis: &Redis{dir: t.TempDir()}, Config: config})
	assert.ErrorContains(t, err, "it exited")
}

func TestPortStaysReserved(t *testing.T) {
	port, err := reservePort()
	require.NoError(t, err)
	_, err = net.Listen("tcp", port.address())
	assert.Error(t, err, "somebody else")
	port.release()
	listener, err := net.Listen("tcp", port.address())
	require.NoError(t, err)
	listener.Close()
}

// childVariable makes this test binary a child that waits to be killed.
const childVariable = "PALISADE_RATELIMITSERVICE_CHILD"

func TestProcessesEndWithTheTest(t *testing.T) {
	if runtime.GOOS != "linux" {
		t.Skip("only Linux ends processes with their parent")
	}
	child := exec.Command(os.Args[0])
	child.Env = append(os.Environ(), childVariable+"=1", "TMPDIR="+t.TempDir())
	child.Stderr = os.Stderr
	out, err := child.StdoutPipe()
	require.NoError(t, err)
	require.NoError(t, child.Start())
	buffer := make([]byte, 4096)
	n, err := out.Read(buffer)
	require.NoError(t, child.Process.Kill())
	_ = child.Wait()
	require.NoError(t, err)
	words := strings.Fields(string(buffer[:n]))
	require.Len(t, words, 2)
	for _, word := range words {
		kind, address, _ := strings.Cut(word, "=")
		assert.Eventually(t, func() bool {
			connection, err := net.Dial(kind, address)
			if err != nil {
				return true
			}
			connection.Close()
			return false
		}, patience, pollInterval, word)
	}
}

func TestMain(m *testing.M) {
	if os.Getenv(childVariable) == "" {
		// Without these nothing here can be tested, and one message is enough.
		_, serviceErr := binary("RATELIMIT_SERVICE_PATH", "ratelimit-path")
		_, redisErr := binary("REDIS_SERVER_PATH", "redis-path")
		if err := errors.Join(serviceErr, redisErr); err != nil {
			fmt.Fprintln(os.Stderr, err)
			os.Exit(1)
		}
		os.Exit(m.Run())
	}
	redis, err := StartRedis(context.Background())
	if err != nil {
		panic(err)
	}
	service, err := Start(context.Background(), Options{Redis: redis, Config: config})
	if err != nil {
		panic(err)
	}
	fmt.Printf("unix=%s tcp=%s", redis.Socket(), service.Address())
	select {}
}

func startRedis(t *testing.T) *Redis {
	t.Helper()
	redis, err := StartRedis(bounded(t))
	require.NoError(t, err)
	t.Cleanup(func() { assert.NoError(t, redis.Stop()) })
	return redis
}

func startService(t *testing.T, redis *Redis, settings map[string]string) *Service {
	t.Helper()
	service, err := Start(bounded(t), Options{Redis: redis, Config: config, Settings: settings})
	require.NoError(t, err)
	t.Cleanup(func() {
		if t.Failed() {
			t.Log(service.Log())
		}
		assert.NoError(t, service.Stop())
	})
	return service
}

func startSlow(t *testing.T, target string, delay time.Duration) *Slow {
	t.Helper()
	way, err := StartSlow(target, delay)
	require.NoError(t, err)
	t.Cleanup(way.Stop)
	return way
}

func bounded(t *testing.T) context.Context {
	ctx, cancel := context.WithTimeout(t.Context(), patience)
	t.Cleanup(cancel)
	return ctx
}

// descriptor has these keys and values.
func descriptor(words ...string) *extension.RateLimitDescriptor {
	d := &extension.RateLimitDescriptor{}
	for i := 0; i < len(words); i += 2 {
		d.Entries = append(d.Entries, &extension.RateLimitDescriptor_Entry{Key: words[i], Value: words[i+1]})
	}
	return d
}

func user(name string) *extension.RateLimitDescriptor {
	return descriptor("limit", "per-user", "claim:sub", name)
}

func ask(t *testing.T, service *Service, descriptors ...*extension.RateLimitDescriptor) *ratelimit.RateLimitResponse {
	t.Helper()
	answer, err := call(t, patience, service.Address(), descriptors...)
	require.NoError(t, err)
	return answer
}

// call asks over a connection of its own.
func call(t *testing.T, timeout time.Duration, address string, descriptors ...*extension.RateLimitDescriptor) (*ratelimit.RateLimitResponse, error) {
	t.Helper()
	connection, err := grpc.NewClient("passthrough:///"+address, grpc.WithTransportCredentials(insecure.NewCredentials()))
	require.NoError(t, err)
	defer func() { assert.NoError(t, connection.Close()) }()
	ctx, cancel := context.WithTimeout(t.Context(), timeout)
	defer cancel()
	request := &ratelimit.RateLimitRequest{Domain: "palisade", Descriptors: descriptors}
	return ratelimit.NewRateLimitServiceClient(connection).ShouldRateLimit(ctx, request)
}

// counts are Redis's, without the domain before and the window's start after
// each key.
func counts(t *testing.T, redis *Redis) map[string]int {
	t.Helper()
	all, err := redis.Counts(t.Context())
	require.NoError(t, err)
	short := make(map[string]int)
	for key, count := range all {
		key, found := strings.CutPrefix(key, "palisade_")
		require.True(t, found, key)
		at := strings.LastIndexByte(key, '_')
		start, err := strconv.ParseInt(key[at+1:], 10, 64)
		require.NoError(t, err)
		require.WithinRange(t, time.Now(), time.Unix(start, 0), time.Unix(start, 0).Add(365*day))
		short[key[:at]] = count
	}
	return short
}
