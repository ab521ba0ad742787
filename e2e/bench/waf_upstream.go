package main

import (
	"io"
	"net"
	"net/http"
	"strconv"
	"sync/atomic"

	"github.com/palisade-mesh/palisade/e2e/bench/traffic"
)

// startUpstream starts what is behind the Envoys: it reads each request to its end, which a direct_response does not, and answers with
// JSON, which the rules for answers look into.
func startUpstream() (net.Listener, error) {
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		return nil, err
	}
	answers := traffic.Answers()
	var turn atomic.Int64
	handler := http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if _, err := io.Copy(io.Discard, r.Body); err != nil {
			w.WriteHeader(http.StatusBadRequest) // which nobody expects
			return
		}
		answer := answers[int(turn.Add(1))%len(answers)]
		w.Header().Set("Content-Type", "application/json")
		w.Header().Set("Content-Length", strconv.Itoa(len(answer)))
		_, _ = w.Write(answer) // Envoy, if it is gone, is missed elsewhere
	})
	go func() { _ = http.Serve(listener, handler) }() // until the listener is closed
	return listener, nil
}
