package e2e

import (
	"bufio"
	"bytes"
	"context"
	"crypto/rand"
	"crypto/sha1" //nolint:gosec // RFC 6455 section 4.2.2 asks for it
	"crypto/tls"
	"encoding/base64"
	"encoding/binary"
	"encoding/json"
	"fmt"
	"io"
	"maps"
	"net"
	"net/http"
	"net/http/httptest"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/go-jose/go-jose/v4"
	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/palisade-mesh/palisade/e2e/envoy"
	"github.com/palisade-mesh/palisade/e2e/idp"
)

// TestProtocols has jwt-filter before applications that speak something else
// than HTTP/1.1 requests and answers.
func TestProtocols(t *testing.T) {
	p := startProtocols(t)
	t.Run("WebSocket", p.testWebSocket)
	t.Run("HTTP2", p.testHTTP2)
	t.Run("gRPC", p.testGRPC)
	t.Run("CORS", p.testCORS)
}

// protocols is an Envoy with a filter before several applications.
type protocols struct {
	provider *idp.Provider // for jwt-filter
	envoy    *envoy.Envoy
	tls      *tls.Config // of clients
	sockets  *webSockets
	grpc     *grpcServer
	echo     *envoy.Upstream
}

const protocolsServer = "spiffe://example.org/ns/test/sa/protocols"

func startProtocols(t *testing.T) *protocols {
	t.Helper()
	provider, err := idp.New("https://idp.example")
	require.NoError(t, err)
	p := &protocols{provider: provider}
	jwt := envoy.Wasm{Name: "jwt-filter", Config: p.config(t, false)}
	bypassCORS := envoy.Wasm{Name: "jwt-filter", Config: p.config(t, true)}
	p.start(t, map[string]envoy.Wasm{"sockets": jwt, "grpc": jwt, "http": jwt, "cors": bypassCORS})
	return p
}

// start starts the applications, and Envoy with a listener for each filter: of
// "sockets" and "grpc" for the applications of that name, of others for one
// that echoes.
func (p *protocols) start(t *testing.T, filters map[string]envoy.Wasm) {
	t.Helper()
	ca, files := newServerCA(t, protocolsServer)
	p.tls, p.echo = ca.ClientConfig(nil, protocolsServer), startUpstream(t)
	p.sockets = &webSockets{}
	sockets := serve(t, p.sockets, false)
	p.grpc = &grpcServer{}
	grpc := serve(t, p.grpc, true)

	var listeners []envoy.Listener
	for name, filter := range filters {
		cluster := "echo"
		if name == "sockets" || name == "grpc" {
			cluster = name
		}
		listeners = append(listeners, envoy.Listener{
			Name: name, Cluster: cluster, TLS: &envoy.ServerTLS{Files: files, ALPN: []string{"h2", "http/1.1"}},
			Filters: []envoy.Wasm{filter},
			Manager: map[string]any{"upgrade_configs": []any{map[string]any{"upgrade_type": "websocket"}}},
		})
	}
	p.envoy = startEnvoy(t, render(t, envoy.Bootstrap{
		Listeners: listeners,
		Clusters: []envoy.Cluster{
			p.echo.Cluster("echo"), {Name: "sockets", Host: "127.0.0.1", Port: sockets},
			{Name: "grpc", Host: "127.0.0.1", Port: grpc, HTTP2: true},
		},
	}))
}

// serve runs an application on loopback, and gives its port.
func serve(t *testing.T, handler http.Handler, http2 bool) int {
	t.Helper()
	server := httptest.NewUnstartedServer(handler)
	server.Config.Protocols = new(http.Protocols)
	server.Config.Protocols.SetHTTP1(!http2)
	server.Config.Protocols.SetUnencryptedHTTP2(http2)
	server.Start()
	t.Cleanup(server.Close)
	return server.Listener.Addr().(*net.TCPAddr).Port
}

func (p *protocols) config(t *testing.T, bypassCORS bool) string {
	t.Helper()
	type object = map[string]any
	config, err := json.Marshal(object{
		"bypassCorsPreflight": bypassCORS,
		"providers": object{"corp": object{
			"issuer": p.provider.Issuer, "jwks": p.provider.JWKS(),
			"fromHeaders": []object{{"name": "authorization", "prefix": "Bearer "}},
			"fromParams":  []string{"access_token"}, "fromCookies": []string{"session"},
			"outputClaimToHeaders": []object{{"header": "x-user", "claim": "sub"}},
		}},
	})
	require.NoError(t, err)
	return string(config)
}

func (p *protocols) token(t *testing.T) string {
	t.Helper()
	token, err := p.provider.Sign(jose.ES256, p.provider.Claims("alice", "any", nil))
	require.NoError(t, err)
	return token
}

func (p *protocols) forged(t *testing.T) string {
	t.Helper()
	token, err := idp.Forge(jose.ES256, p.provider.Claims("alice", "any", nil))
	require.NoError(t, err)
	return token
}

// seen are the requests that reached an application.
type seen struct {
	mu       sync.Mutex
	requests []*http.Request
}

func (s *seen) add(r *http.Request) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.requests = append(s.requests, r)
}

func (s *seen) all() []*http.Request {
	s.mu.Lock()
	defer s.mu.Unlock()
	return slices.Clone(s.requests)
}

// webSockets echoes messages.
type webSockets struct{ seen }

// ServeHTTP is the server's side of RFC 6455 section 4.2.2.
func (s *webSockets) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	s.add(r)
	conn, buffered, err := http.NewResponseController(w).Hijack()
	if err != nil {
		panic(err)
	}
	defer func() { _ = conn.Close() }()
	_, _ = fmt.Fprintf(conn, "HTTP/1.1 101 Switching Protocols\r\nupgrade: websocket\r\nconnection: Upgrade\r\nsec-websocket-accept: %s\r\n\r\n",
		webSocketAccept(r.Header.Get("sec-websocket-key")))
	for {
		message, err := readFrame(buffered)
		if err != nil {
			return
		}
		_ = writeFrame(conn, message, false)
	}
}

func webSocketAccept(key string) string {
	digest := sha1.Sum([]byte(key + "258EAFA5-E914-47DA-95CA-C5AB0DC85B11")) //nolint:gosec // see above
	return base64.StdEncoding.EncodeToString(digest[:])
}

// writeFrame writes a text message of at most 125 bytes in one frame (RFC 6455 section 5.2). Clients mask.
func writeFrame(w io.Writer, message string, masked bool) error {
	const finalText = 0x81
	frame := []byte{finalText, byte(len(message))}
	if masked {
		var key [4]byte
		_, _ = rand.Read(key[:])
		frame[1] |= 0x80
		frame = append(frame, key[:]...)
		for i := range len(message) {
			frame = append(frame, message[i]^key[i%4])
		}
	} else {
		frame = append(frame, message...)
	}
	_, err := w.Write(frame)
	return err
}

func readFrame(r io.Reader) (string, error) {
	var head [2]byte
	if _, err := io.ReadFull(r, head[:]); err != nil {
		return "", err
	}
	var key [4]byte
	if head[1]&0x80 != 0 {
		if _, err := io.ReadFull(r, key[:]); err != nil {
			return "", err
		}
	}
	message := make([]byte, head[1]&0x7f)
	if _, err := io.ReadFull(r, message); err != nil {
		return "", err
	}
	for i := range message {
		message[i] ^= key[i%4]
	}
	return string(message), nil
}

// testWebSocket: a browser cannot set headers for a handshake, so the token is in the query or in a cookie.
func (p *protocols) testWebSocket(t *testing.T) {
	token := p.token(t)
	tests := []struct {
		name, path, header string
		status             int
		upstream, cookie   string // what the application sees
	}{
		{"no token", "/chat?room=1", "", 401, "", ""},
		{"forged", "/chat?access_token=" + p.forged(t), "", 401, "", ""},
		{"forged beside a valid one", "/chat?access_token=" + token, "cookie: session=" + p.forged(t) + "\r\n", 401, "", ""},
		{"in the query", "/chat?room=1&access_token=" + token, "", 101, "/chat?room=1", ""},
		{"in a cookie", "/chat", "cookie: theme=dark; session=" + token + "; a=b\r\n", 101, "/chat", "theme=dark; a=b"},
		{"in a header", "/chat?x", "authorization: Bearer " + token + "\r\n", 101, "/chat?x", ""},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			before := p.sockets.all()
			response, conn, reader := p.handshake(t, test.path, test.header)
			defer response.Body.Close()
			require.Equal(t, test.status, response.StatusCode)
			if test.status != http.StatusSwitchingProtocols {
				assert.Contains(t, response.Header.Get("www-authenticate"), `Bearer realm="chat.example"`)
				assert.Len(t, p.sockets.all(), len(before))
				return
			}
			converse(t, conn, reader)
			handshakes := p.sockets.all()
			require.Len(t, handshakes, len(before)+1)
			handshake := handshakes[len(before)]
			assert.Equal(t, test.upstream, handshake.RequestURI)
			assert.Equal(t, test.cookie, strings.Join(handshake.Header["Cookie"], "|"))
			assert.Empty(t, handshake.Header.Get("authorization"))
			assert.Equal(t, []string{"alice"}, handshake.Header["X-User"])
		})
	}
}

// handshake asks for a WebSocket. The connection is closed at the end of the test.
func (p *protocols) handshake(t *testing.T, path, header string) (*http.Response, net.Conn, *bufio.Reader) {
	t.Helper()
	config := p.tls.Clone()
	config.NextProtos = []string{"http/1.1"}
	conn, err := tls.Dial("tcp", p.envoy.Listener("sockets"), config)
	require.NoError(t, err)
	t.Cleanup(func() { _ = conn.Close() })
	require.NoError(t, conn.SetDeadline(time.Now().Add(20*time.Second)))
	const key = "dGhlIHNhbXBsZSBub25jZQ=="
	_, err = fmt.Fprintf(conn, "GET %s HTTP/1.1\r\nhost: chat.example\r\nupgrade: websocket\r\nconnection: Upgrade\r\n"+
		"sec-websocket-version: 13\r\nsec-websocket-key: %s\r\nx-user: root\r\n%s\r\n", path, key, header)
	require.NoError(t, err)
	reader := bufio.NewReader(conn)
	response, err := http.ReadResponse(reader, nil)
	require.NoError(t, err)
	if response.StatusCode == http.StatusSwitchingProtocols {
		assert.Equal(t, webSocketAccept(key), response.Header.Get("sec-websocket-accept"))
	}
	return response, conn, reader
}

// converse sends messages on a WebSocket, each of which comes back.
func converse(t *testing.T, conn net.Conn, reader *bufio.Reader) {
	t.Helper()
	for _, message := range []string{"hello", strings.Repeat("x", 125)} {
		require.NoError(t, writeFrame(conn, message, true))
		echo, err := readFrame(reader)
		require.NoError(t, err)
		assert.Equal(t, message, echo)
	}
}

// client speaks HTTP/2 over TLS.
func (p *protocols) client(t *testing.T) *http.Client {
	t.Helper()
	transport := &http.Transport{TLSClientConfig: p.tls.Clone(), Protocols: new(http.Protocols)}
	transport.Protocols.SetHTTP2(true)
	t.Cleanup(transport.CloseIdleConnections)
	return &http.Client{Transport: transport, Timeout: 20 * time.Second}
}

// get2 sends a GET over HTTP/2.
func (p *protocols) get2(t *testing.T, listener, path string, header http.Header) (int, http.Header, envoy.Echo) {
	t.Helper()
	request, err := http.NewRequestWithContext(t.Context(), http.MethodGet, "https://"+p.envoy.Listener(listener)+path, http.NoBody)
	require.NoError(t, err)
	request.Header = header
	response, err := p.client(t).Do(request)
	require.NoError(t, err)
	defer response.Body.Close()
	require.Equal(t, 2, response.ProtoMajor)
	var echo envoy.Echo
	if response.StatusCode == http.StatusOK {
		require.NoError(t, json.NewDecoder(response.Body).Decode(&echo))
	}
	return response.StatusCode, response.Header, echo
}

func (p *protocols) testHTTP2(t *testing.T) {
	token := p.token(t)
	status, header, _ := p.get2(t, "http", "/", http.Header{})
	assert.Equal(t, 401, status)
	assert.Contains(t, header.Get("www-authenticate"), "Bearer realm=")
	status, _, _ = p.get2(t, "http", "/", http.Header{"Authorization": {"Bearer " + p.forged(t)}})
	assert.Equal(t, 401, status)

	status, _, echo := p.get2(t, "http", "/a?access_token="+token+"&b", http.Header{"X-User": {"root"}})
	assert.Equal(t, 200, status)
	assert.Equal(t, "/a?b", echo.Path)
	assert.Equal(t, []string{"alice"}, echo.Header["X-User"])

	// Go's client, as browsers do, sends each cookie in a field of its own (RFC 9113 section 8.2.3).
	status, _, echo = p.get2(t, "http", "/", http.Header{"Cookie": {"a=1; session=" + token + "; b=2"}})
	assert.Equal(t, 200, status)
	assert.Equal(t, "a=1; b=2", strings.Join(echo.Header["Cookie"], "|"))
	status, _, echo = p.get2(t, "http", "/", http.Header{"Cookie": {"session=" + token}})
	assert.Equal(t, 200, status)
	assert.NotContains(t, echo.Header, "Cookie")
	status, _, _ = p.get2(t, "http", "/", http.Header{"Cookie": {"session=" + token, "session=" + p.forged(t)}})
	assert.Equal(t, 401, status, "two cookies of the name, one forged")
}

// grpcServer has one method, which answers each message with the same.
type grpcServer struct{ seen }

// ServeHTTP is a bidirectional stream of gRPC over HTTP/2
// (https://github.com/grpc/grpc/blob/master/doc/PROTOCOL-HTTP2.md).
func (s *grpcServer) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	s.add(r)
	w.Header().Set("content-type", "application/grpc")
	w.Header().Set("trailer", "grpc-status")
	controller := http.NewResponseController(w)
	for {
		message, err := readMessage(r.Body)
		if err != nil {
			break
		}
		_, _ = w.Write(grpcMessage(message))
		_ = controller.Flush()
	}
	w.Header().Set("grpc-status", "0")
}

// grpcMessage is a message with its length before it.
func grpcMessage(message []byte) []byte {
	return append(binary.BigEndian.AppendUint32([]byte{0}, uint32(len(message))), message...)
}

func readMessage(r io.Reader) ([]byte, error) {
	var head [5]byte
	if _, err := io.ReadFull(r, head[:]); err != nil {
		return nil, err
	}
	message := make([]byte, binary.BigEndian.Uint32(head[1:]))
	_, err := io.ReadFull(r, message)
	return message, err
}

// testGRPC: a refusal is headers alone with a gRPC status, and an allowed stream flows both ways.
func (p *protocols) testGRPC(t *testing.T) {
	for name, token := range map[string]string{"no token": "", "forged": p.forged(t), "no token at all": "x"} {
		t.Run(name, func(t *testing.T) {
			var header http.Header
			if token != "" {
				header = http.Header{"Authorization": {"Bearer " + token}}
			}
			p.grpcRefusal(t, header, "16") // UNAUTHENTICATED
			assert.Empty(t, p.grpc.all())
		})
	}

	t.Run("a stream both ways", func(t *testing.T) {
		p.grpcStream(t, http.Header{"Authorization": {"Bearer " + p.token(t)}})
		calls := p.grpc.all()
		require.Len(t, calls, 1)
		assert.NotContains(t, calls[0].Header, "Authorization")
		assert.Equal(t, []string{"alice"}, calls[0].Header["X-User"])
	})
}

// grpcCall calls a method with messages; header has further headers.
func (p *protocols) grpcCall(t *testing.T, header http.Header, messages io.Reader) *http.Response {
	t.Helper()
	request, err := http.NewRequestWithContext(t.Context(), http.MethodPost, "https://"+p.envoy.Listener("grpc")+"/shop.Orders/Watch", messages)
	require.NoError(t, err)
	request.Header = http.Header{"Content-Type": {"application/grpc"}, "Te": {"trailers"}}
	maps.Copy(request.Header, header)
	response, err := p.client(t).Do(request)
	require.NoError(t, err)
	return response
}

// grpcRefusal makes a call that must be refused, with this status in the headers.
func (p *protocols) grpcRefusal(t *testing.T, header http.Header, status string) http.Header {
	t.Helper()
	response := p.grpcCall(t, header, bytes.NewReader(grpcMessage([]byte("hello"))))
	defer response.Body.Close()
	assert.Equal(t, 200, response.StatusCode)
	assert.Equal(t, "application/grpc", response.Header.Get("content-type"))
	assert.Equal(t, status, response.Header.Get("grpc-status"))
	body, err := io.ReadAll(response.Body)
	require.NoError(t, err)
	assert.Empty(t, body)
	assert.Empty(t, response.Trailer)
	return response.Header
}

// grpcStream makes a call in which each message is answered before the next one is sent.
func (p *protocols) grpcStream(t *testing.T, header http.Header) http.Header {
	t.Helper()
	reader, writer := io.Pipe()
	sent := make(chan error, 1)
	go func() {
		_, err := writer.Write(grpcMessage([]byte("0")))
		sent <- err
	}()
	response := p.grpcCall(t, header, reader)
	defer response.Body.Close()
	require.NoError(t, <-sent)
	require.Equal(t, 200, response.StatusCode)
	for i := range 5 {
		message, err := readMessage(response.Body)
		require.NoError(t, err)
		assert.Equal(t, fmt.Sprint(i), string(message))
		_, err = writer.Write(grpcMessage([]byte(fmt.Sprint(i + 1))))
		require.NoError(t, err)
	}
	require.NoError(t, writer.Close())
	_, err := io.Copy(io.Discard, response.Body)
	require.NoError(t, err)
	assert.Equal(t, "0", response.Trailer.Get("grpc-status"))
	return response.Header
}

// preflight sends what a browser asks before a request with credentials.
func (p *protocols) preflight(t *testing.T, listener, method string, header http.Header) int {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), 20*time.Second)
	defer cancel()
	request, err := http.NewRequestWithContext(ctx, method, "https://"+p.envoy.Listener(listener)+"/orders", http.NoBody)
	require.NoError(t, err)
	request.Header = header
	response, err := p.client(t).Do(request)
	require.NoError(t, err)
	defer response.Body.Close()
	return response.StatusCode
}

func (p *protocols) testCORS(t *testing.T) {
	const origin, requested = "Origin", "Access-Control-Request-Method"
	full := http.Header{origin: {"https://app.example"}, requested: {"PUT"}}
	tests := []struct {
		name, listener, method string
		header                 http.Header
		status                 int
	}{
		{"a preflight, by default", "http", "OPTIONS", full, 401},
		{"a preflight", "cors", "OPTIONS", full, 200},
		{"no preflight: another method", "cors", "GET", full, 401},
		{"no preflight: no origin", "cors", "OPTIONS", http.Header{requested: {"PUT"}}, 401},
		{"no preflight: no requested method", "cors", "OPTIONS", http.Header{origin: {"https://app.example"}}, 401},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			before := p.echo.Requests()
			assert.Equal(t, test.status, p.preflight(t, test.listener, test.method, test.header.Clone()))
			if test.status == 401 {
				assert.Equal(t, before, p.echo.Requests())
			}
		})
	}
}
