package idp

import (
	"context"
	"errors"
	"fmt"
	"net"
	"net/http"
	"sync"
	"time"
)

// KeyServer publishes a JWK Set on loopback, or fails to in whatever way it is
// told to, and takes down when it was asked.
type KeyServer struct {
	port int

	mu      sync.Mutex
	server  *http.Server // nil while it is down
	answer  Answer
	fetches []time.Time
}

// Answer is what a KeyServer says. A slow one should mind the end of the
// request's context.
type Answer = http.HandlerFunc

// Document answers with a document, such as a key set.
func Document(body []byte) Answer {
	return func(w http.ResponseWriter, _ *http.Request) { _, _ = w.Write(body) }
}

// After answers once a channel is closed.
func After(ready <-chan struct{}, answer Answer) Answer {
	return func(w http.ResponseWriter, r *http.Request) {
		select {
		case <-ready:
			answer(w, r)
		case <-r.Context().Done():
		}
	}
}

// StartKeyServer starts a server that gives an answer; with none it is down.
// Stop must be called.
func StartKeyServer(answer Answer) (*KeyServer, error) {
	s := &KeyServer{}
	if err := s.Serve(answer); err != nil {
		return nil, err
	}
	if answer == nil {
		s.Stop()
	}
	return s, nil
}

// Port of the server on 127.0.0.1, the same when it is down.
func (s *KeyServer) Port() int { return s.port }

// Serve gives an answer from now on, and brings the server up if it is down.
func (s *KeyServer) Serve(answer Answer) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.answer = answer
	if s.server != nil {
		return nil
	}
	listener, err := (&net.ListenConfig{}).Listen(context.Background(), "tcp", fmt.Sprintf("127.0.0.1:%d", s.port))
	if err != nil {
		return fmt.Errorf("idp: %w", err)
	}
	s.port = listener.Addr().(*net.TCPAddr).Port
	server := &http.Server{Handler: http.HandlerFunc(s.serve), ReadHeaderTimeout: time.Minute}
	s.server = server
	go func() {
		if err := server.Serve(listener); !errors.Is(err, http.ErrServerClosed) {
			panic(err) // nobody else closes the listener
		}
	}()
	return nil
}

func (s *KeyServer) serve(w http.ResponseWriter, r *http.Request) {
	s.mu.Lock()
	s.fetches = append(s.fetches, time.Now())
	answer := s.answer
	s.mu.Unlock()
	answer(w, r)
}

// Stop takes the server down: connections end, and are refused until Serve.
func (s *KeyServer) Stop() {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.server != nil {
		_ = s.server.Close()
		s.server = nil
	}
}

// Fetches are the times at which the server was asked.
func (s *KeyServer) Fetches() []time.Time {
	s.mu.Lock()
	defer s.mu.Unlock()
	return append([]time.Time(nil), s.fetches...)
}
