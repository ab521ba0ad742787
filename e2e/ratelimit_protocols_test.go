package e2e

import (
	"fmt"
	"net/http"
	"sync"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/palisade-mesh/palisade/e2e/envoy"
)

// TestLimitedProtocols has ratelimit-filter before applications that speak
// something else than HTTP/1.1 requests and answers: what counts is a stream,
// once, whatever goes on in it.
func TestLimitedProtocols(t *testing.T) {
	limit := func(name string, requests int) envoy.Wasm {
		return envoy.Wasm{Name: "ratelimit-filter", Plugin: name, Config: fmt.Sprintf(
			`{"limits": [{"name": %q, "rate": {"requests": %d, "per": "8000h"}}], "headers": "x-ratelimit", "audit": {"log": "off"}}`, name, requests)}
	}
	p := &protocols{}
	p.start(t, map[string]envoy.Wasm{"sockets": limit("handshakes", 2), "grpc": limit("calls", 2), "http": limit("streams", 20)})
	t.Run("WebSocket", p.testLimitedWebSocket)
	t.Run("gRPC", p.testLimitedGRPC)
	t.Run("HTTP2", p.testLimitedHTTP2)
}

func (p *protocols) testLimitedWebSocket(t *testing.T) {
	for _, left := range []string{"1", "0"} {
		response, conn, reader := p.handshake(t, "/chat", "")
		defer response.Body.Close()
		require.Equal(t, http.StatusSwitchingProtocols, response.StatusCode)
		assert.Equal(t, left, response.Header.Get("x-ratelimit-remaining"))
		converse(t, conn, reader)
	}
	response, _, _ := p.handshake(t, "/chat", "")
	defer response.Body.Close()
	assert.Equal(t, http.StatusTooManyRequests, response.StatusCode)
	assert.NotEmpty(t, response.Header.Get("retry-after"))
	assert.Len(t, p.sockets.all(), 2)
}

func (p *protocols) testLimitedGRPC(t *testing.T) {
	for _, left := range []string{"1", "0"} {
		header := p.grpcStream(t, nil)
		assert.Equal(t, left, header.Get("x-ratelimit-remaining"))
	}
	header := p.grpcRefusal(t, nil, "8") // RESOURCE_EXHAUSTED
	assert.Contains(t, header.Get("grpc-message"), "the limit \"calls\" is used up")
	assert.NotEmpty(t, header.Get("retry-after"))
	assert.Equal(t, "0", header.Get("x-ratelimit-remaining"))
	assert.Len(t, p.grpc.all(), 2)
}

// testLimitedHTTP2 has many streams under way on one connection.
func (p *protocols) testLimitedHTTP2(t *testing.T) {
	client := p.client(t)
	var mu sync.Mutex
	statuses := map[int]int{}
	var wait sync.WaitGroup
	for range 60 {
		wait.Go(func() {
			request, err := http.NewRequestWithContext(t.Context(), http.MethodGet, "https://"+p.envoy.Listener("http")+"/", http.NoBody)
			if !assert.NoError(t, err) {
				return
			}
			response, err := client.Do(request)
			if !assert.NoError(t, err) {
				return
			}
			response.Body.Close()
			assert.Equal(t, 2, response.ProtoMajor)
			assert.Equal(t, response.StatusCode == http.StatusTooManyRequests, response.Header.Get("retry-after") != "")
			mu.Lock()
			defer mu.Unlock()
			statuses[response.StatusCode]++
		})
	}
	wait.Wait()
	assert.Equal(t, map[int]int{http.StatusOK: 20, http.StatusTooManyRequests: 40}, statuses)
	assert.EqualValues(t, 20, p.echo.Requests())
}
