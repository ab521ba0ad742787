package mesh

import (
	"bufio"
	"encoding/json"
	"fmt"
	"io"
	"log"
	"net"
	"net/http"
	"os"
	"os/signal"
	"sync/atomic"
	"syscall"
	"time"

	"github.com/palisade-mesh/palisade/e2e/idp"
)

// roleIdP is the identity provider's role; every other role is a service.
const roleIdP = "idp"

// Main turns this process into an application of a mesh if a mesh started it
// as one, and returns otherwise. It must be the first thing that main, or
// TestMain, does.
func Main() {
	role := os.Getenv(roleVariable)
	if role == "" {
		return
	}
	// Ctrl-C reaches the whole process group. The end of standard input is
	// what ends an application, after the proxies that call it are gone.
	signal.Ignore(os.Interrupt, syscall.SIGTERM)
	if err := serve(role); err != nil {
		log.Fatalf("mesh: %s: %v", role, err)
	}
	os.Exit(0)
}

func serve(role string) error {
	var next atomic.Value
	next.Store("")
	handler, err := application(role, &next)
	if err != nil {
		return err
	}
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		return err
	}
	fmt.Println(listener.Addr())
	server := &http.Server{Handler: handler, ReadHeaderTimeout: 5 * time.Second}
	go func() {
		lines := bufio.NewScanner(os.Stdin)
		for lines.Scan() {
			next.Store(lines.Text())
		}
		_ = server.Close()
	}()
	if err := server.Serve(listener); err != http.ErrServerClosed {
		return err
	}
	return nil
}

func application(role string, next *atomic.Value) (http.Handler, error) {
	switch role {
	case roleIdP:
		return idp.New(Issuer)
	case Database:
		return database(), nil
	default:
		return relay(role, next), nil
	}
}

// database answers everything: what may reach it is its sidecar's business.
func database() http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		w.Header().Set("content-type", "application/json")
		_ = json.NewEncoder(w).Encode(map[string]string{
			"served_by": Database, "method": r.Method, "path": r.URL.Path,
		})
	})
}

// relay passes a request on to the next service, on behalf of the same user.
func relay(role string, next *atomic.Value) http.Handler {
	client := &http.Client{Timeout: 10 * time.Second}
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		request, err := http.NewRequestWithContext(r.Context(), r.Method, "http://"+next.Load().(string)+r.URL.RequestURI(), http.NoBody)
		if err != nil {
			http.Error(w, err.Error(), http.StatusInternalServerError)
			return
		}
		for _, name := range []string{"Authorization", "X-Request-Id"} {
			if value := r.Header.Get(name); value != "" {
				request.Header.Set(name, value)
			}
		}
		response, err := client.Do(request)
		if err != nil {
			http.Error(w, err.Error(), http.StatusBadGateway)
			return
		}
		defer response.Body.Close()
		for _, name := range []string{"Content-Type", "Www-Authenticate"} {
			if value := response.Header.Get(name); value != "" {
				w.Header().Set(name, value)
			}
		}
		w.Header().Set("via", "1.1 "+role)
		w.WriteHeader(response.StatusCode)
		_, _ = io.Copy(w, response.Body)
	})
}
