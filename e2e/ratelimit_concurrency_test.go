package e2e

import (
	"bufio"
	"context"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/palisade-mesh/palisade/e2e/envoy"
)

const inFlightLimit = 6

func concurrencyConfig(limit int) string {
	return fmt.Sprintf(`{"audit": {"log": "off"}, "concurrency": [{"name": "db", "key": ["header:x-user"], "max": %d}]}`, limit)
}

// held is an upstream that answers when it is told to.
type held struct {
	*httptest.Server
	arrived chan struct{}
	release chan struct{}
}

func startHeld(t *testing.T) *held {
	t.Helper()
	h := &held{arrived: make(chan struct{}, 100), release: make(chan struct{})}
	h.Server = httptest.NewUnstartedServer(h)
	h.Config.Protocols = new(http.Protocols)
	h.Config.Protocols.SetUnencryptedHTTP2(true)
	h.Start()
	t.Cleanup(func() {
		h.letGo()
		h.Close()
	})
	return h
}

func (h *held) letGo() {
	select {
	case <-h.release:
	default:
		close(h.release)
	}
}

// ServeHTTP answers by path: /hold waits, before its headers; /body after them; /trailers ends with trailers; /reset ends the
// connection instead of an answer, /half in the middle of one.
func (h *held) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	h.arrived <- struct{}{}
	flush := func() { w.(http.Flusher).Flush() }
	wait := func() {
		select {
		case <-h.release:
		case <-r.Context().Done():
		}
	}
	switch r.URL.Path {
	case "/hold":
		wait()
	case "/body":
		flush()
		wait()
	case "/trailers":
		w.Header().Set("trailer", "x-end")
		flush()
		wait()
		w.Header().Set("x-end", "1")
	case "/reset":
		wait()
		panic(http.ErrAbortHandler)
	case "/half":
		w.Header().Set("content-length", "10")
		_, _ = io.WriteString(w, "12345")
		flush()
		wait()
		panic(http.ErrAbortHandler)
	}
}

func (h *held) await(t *testing.T, n int) {
	t.Helper()
	for range n {
		select {
		case <-h.arrived:
		case <-time.After(20 * time.Second):
			require.Fail(t, "a request did not arrive")
		}
	}
}

// startConcurrency is an Envoy whose limit can be changed. It speaks HTTP/1.1 and HTTP/2.
func startConcurrency(t *testing.T, upstream *held) (e *envoy.Envoy, change func(limit int)) {
	t.Helper()
	filter := envoy.Wasm{Name: "ratelimit-filter", DiscoveryFile: filepath.Join(t.TempDir(), "ratelimit.json"), Config: concurrencyConfig(inFlightLimit)}
	require.NoError(t, filter.WriteDiscovery())
	e = startEnvoyWith(t, envoy.Options{Concurrency: 2, Bootstrap: render(t, envoy.Bootstrap{
		Clusters:  []envoy.Cluster{{Name: "upstream", Host: "127.0.0.1", Port: port(t, upstream.Listener.Addr().String()), HTTP2: true}},
		Listeners: []envoy.Listener{{Name: "limited", Cluster: "upstream", Filters: []envoy.Wasm{filter}}},
	})})
	updates := 1
	return e, func(limit int) {
		t.Helper()
		filter.Config = concurrencyConfig(limit)
		require.NoError(t, filter.WriteDiscovery())
		updates++
		require.Eventually(t, func() bool {
			n, err := e.Stat(t.Context(), "extension_config_discovery.http_filter.palisade.ratelimit-filter.config_reload")
			return err == nil && n >= updates
		}, 20*time.Second, 10*time.Millisecond)
	}
}

// inFlightGauge is how many the proxy says are in flight.
func inFlightGauge(t *testing.T, e *envoy.Envoy) int {
	t.Helper()
	n, err := e.Stat(t.Context(), "wasmcustom.palisade.ratelimit_in_flight.policy.db")
	require.NoError(t, err)
	return n
}

// open sends a request and does not wait for its answer.
func openRequest(t *testing.T, address, path, user string) net.Conn {
	t.Helper()
	conn, err := net.Dial("tcp", address)
	require.NoError(t, err)
	t.Cleanup(func() { _ = conn.Close() })
	require.NoError(t, conn.SetDeadline(time.Now().Add(time.Minute)))
	_, err = fmt.Fprintf(conn, "GET %s HTTP/1.1\r\nhost: a\r\nx-user: %s\r\n\r\n", path, user)
	require.NoError(t, err)
	return conn
}

// refusedInFlight asks once more, and tells whether the limit refused that.
func refusedInFlight(t *testing.T, e *envoy.Envoy, user string) bool {
	t.Helper()
	request, err := http.NewRequestWithContext(t.Context(), http.MethodGet, "http://"+e.Listener("limited")+"/now", http.NoBody)
	require.NoError(t, err)
	request.Header.Set("x-user", user)
	response, err := http.DefaultClient.Do(request)
	require.NoError(t, err)
	defer response.Body.Close()
	if response.StatusCode == http.StatusTooManyRequests {
		assert.Equal(t, "1", response.Header.Get("retry-after"))
		return true
	}
	require.Equal(t, http.StatusOK, response.StatusCode)
	return false
}

// However requests end, none is in flight afterwards, and as many as before are admitted.
func TestConcurrencyOfStreams(t *testing.T) {
	upstream := startHeld(t)
	e, _ := startConcurrency(t, upstream)
	ends := map[string]func(t *testing.T, user string){
		"answered":              func(t *testing.T, user string) { answered(t, upstream, e, "/hold", user) },
		"answered with a body":  func(t *testing.T, user string) { answered(t, upstream, e, "/body", user) },
		"trailers":              func(t *testing.T, user string) { answered(t, upstream, e, "/trailers", user) },
		"upstream resets":       func(t *testing.T, user string) { answered(t, upstream, e, "/reset", user) },
		"upstream resets later": func(t *testing.T, user string) { answered(t, upstream, e, "/half", user) },
		"client leaves early":   func(t *testing.T, user string) { leaves(t, upstream, e, "/hold", user) },
		"client leaves late":    func(t *testing.T, user string) { leaves(t, upstream, e, "/body", user) },
		"HTTP/2 reset":          func(t *testing.T, user string) { resets(t, upstream, e, user) },
	}
	for name, end := range ends {
		t.Run(name, func(t *testing.T) {
			for round := range 2 { // the second finds all places free
				upstream.release = make(chan struct{})
				end(t, strings.ReplaceAll(name, " ", "-"))
				require.Eventually(t, func() bool { return inFlightGauge(t, e) == 0 }, 20*time.Second, 10*time.Millisecond, "round %d", round)
			}
		})
	}
}

func fill(t *testing.T, upstream *held, e *envoy.Envoy, path, user string) []net.Conn {
	t.Helper()
	var list []net.Conn
	for range inFlightLimit {
		list = append(list, openRequest(t, e.Listener("limited"), path, user))
	}
	upstream.await(t, inFlightLimit)
	require.Equal(t, inFlightLimit, inFlightGauge(t, e))
	require.True(t, refusedInFlight(t, e, user))
	require.False(t, refusedInFlight(t, e, user+"-else"))
	upstream.await(t, 1)
	return list
}

func answered(t *testing.T, upstream *held, e *envoy.Envoy, path, user string) {
	t.Helper()
	list := fill(t, upstream, e, path, user)
	upstream.letGo()
	for _, conn := range list {
		response, err := http.ReadResponse(bufio.NewReader(conn), nil)
		if err != nil {
			require.Equal(t, "/half", path)
			continue
		}
		_, _ = io.Copy(io.Discard, response.Body)
		response.Body.Close()
	}
}

func leaves(t *testing.T, upstream *held, e *envoy.Envoy, path, user string) {
	t.Helper()
	for _, conn := range fill(t, upstream, e, path, user) {
		require.NoError(t, conn.Close())
	}
}

func resets(t *testing.T, upstream *held, e *envoy.Envoy, user string) {
	t.Helper()
	transport := &http.Transport{Protocols: new(http.Protocols)}
	transport.Protocols.SetUnencryptedHTTP2(true)
	defer transport.CloseIdleConnections()
	ctx, cancel := context.WithCancel(t.Context())
	var wait sync.WaitGroup
	for range inFlightLimit {
		wait.Go(func() {
			request, err := http.NewRequestWithContext(ctx, http.MethodGet, "http://"+e.Listener("limited")+"/hold", http.NoBody)
			assert.NoError(t, err)
			request.Header.Set("x-user", user)
			response, err := transport.RoundTrip(request)
			if assert.ErrorIs(t, err, context.Canceled) {
				return
			}
			response.Body.Close()
		})
	}
	upstream.await(t, inFlightLimit)
	require.True(t, refusedInFlight(t, e, user))
	cancel() // RST_STREAM for each, on a connection that stays
	wait.Wait()
}

// Requests of the configuration before count against the new one, and end.
func TestConcurrencyOverAnUpdate(t *testing.T) {
	upstream := startHeld(t)
	e, change := startConcurrency(t, upstream)
	list := fill(t, upstream, e, "/hold", "a")
	change(inFlightLimit + 2)
	list = append(list, openRequest(t, e.Listener("limited"), "/hold", "a"), openRequest(t, e.Listener("limited"), "/hold", "a"))
	upstream.await(t, 2)
	require.True(t, refusedInFlight(t, e, "a"))
	require.Equal(t, inFlightLimit+2, inFlightGauge(t, e))
	for i, conn := range list { // those of either configuration make room
		require.NoError(t, conn.Close())
		require.Eventually(t, func() bool { return inFlightGauge(t, e) == len(list)-i-1 }, 20*time.Second, 10*time.Millisecond)
		require.False(t, refusedInFlight(t, e, "a"))
		upstream.await(t, 1)
	}
	change(1)
	require.False(t, refusedInFlight(t, e, "a"))
	require.Eventually(t, func() bool { return inFlightGauge(t, e) == 0 }, 20*time.Second, 10*time.Millisecond)
}
