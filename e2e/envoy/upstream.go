package envoy

import (
	"crypto/sha256"
	"encoding/json"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"sync/atomic"
)

// Upstream is a plain HTTP application on loopback, in this process. It
// answers every request with what it got.
type Upstream struct {
	server *httptest.Server
	count  atomic.Int64
}

// Echo is an upstream's answer.
type Echo struct {
	Method string      `json:"method"`
	Path   string      `json:"path"`
	Header http.Header `json:"header"`
	// Digest is the SHA-256 of the request's body.
	Digest []byte `json:"digest"`
}

// StartUpstream starts an upstream. Stop must be called.
func StartUpstream() *Upstream {
	u := &Upstream{}
	u.server = httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		u.count.Add(1)
		digest := sha256.New()
		if _, err := io.Copy(digest, r.Body); err != nil {
			panic(http.ErrAbortHandler) // the client is to see that not all of it came
		}
		w.Header().Set("content-type", "application/json")
		_ = json.NewEncoder(w).Encode(Echo{Method: r.Method, Path: r.RequestURI, Header: r.Header, Digest: digest.Sum(nil)})
	}))
	return u
}

// Requests is how many requests got through to the upstream. A refusal that
// looks right from outside, but comes after the request was passed on, shows
// here.
func (u *Upstream) Requests() int64 { return u.count.Load() }

// Port that the upstream listens on, on 127.0.0.1.
func (u *Upstream) Port() int { return u.server.Listener.Addr().(*net.TCPAddr).Port }

// Cluster leads to the upstream.
func (u *Upstream) Cluster(name string) Cluster {
	return Cluster{Name: name, Host: "127.0.0.1", Port: u.Port()}
}

// Stop ends the upstream.
func (u *Upstream) Stop() { u.server.Close() }
