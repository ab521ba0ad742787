package envoy

import (
	"context"
	"encoding/json"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/url"
	"regexp"
	"strconv"
	"strings"
)

// AdminAddress is the host:port of Envoy's admin interface.
func (e *Envoy) AdminAddress() string { return e.admin }

// Admin sends a request to the admin interface and returns the body of a
// reply with status 200.
func (e *Envoy) Admin(ctx context.Context, method, path string) ([]byte, error) {
	request, err := http.NewRequestWithContext(ctx, method, "http://"+e.admin+path, http.NoBody)
	if err != nil {
		return nil, fmt.Errorf("envoy: %w", err)
	}
	response, err := http.DefaultClient.Do(request)
	if err != nil {
		return nil, fmt.Errorf("envoy: %w", err)
	}
	defer response.Body.Close()
	body, err := io.ReadAll(response.Body)
	if err != nil {
		return nil, fmt.Errorf("envoy: %w", err)
	}
	if response.StatusCode != http.StatusOK {
		return nil, fmt.Errorf("envoy: admin %s: %s: %s", path, response.Status, body)
	}
	return body, nil
}

// Prometheus is the metrics as a Prometheus server would scrape them.
func (e *Envoy) Prometheus(ctx context.Context) (string, error) {
	body, err := e.Admin(ctx, http.MethodGet, "/stats/prometheus?usedonly")
	return string(body), err
}

// Listener is the host:port that a named listener is bound to, or "".
func (e *Envoy) Listener(name string) string { return e.listeners[name] }

func (e *Envoy) readListeners(ctx context.Context) error {
	body, err := e.Admin(ctx, http.MethodGet, "/listeners?format=json")
	if err != nil {
		return err
	}
	var reply struct {
		Statuses []struct {
			Name         string `json:"name"`
			LocalAddress struct {
				SocketAddress struct {
					Address string `json:"address"`
					Port    int    `json:"port_value"`
				} `json:"socket_address"`
			} `json:"local_address"`
		} `json:"listener_statuses"`
	}
	if err := json.Unmarshal(body, &reply); err != nil {
		return fmt.Errorf("envoy: admin /listeners: %w", err)
	}
	e.listeners = make(map[string]string, len(reply.Statuses))
	for _, status := range reply.Statuses {
		address := status.LocalAddress.SocketAddress
		e.listeners[status.Name] = net.JoinHostPort(address.Address, strconv.Itoa(address.Port))
	}
	return nil
}

// Stat is a counter or gauge by its full name; 0 if nothing counted yet.
func (e *Envoy) Stat(ctx context.Context, name string) (int, error) {
	body, err := e.Admin(ctx, http.MethodGet, "/stats?filter="+url.QueryEscape("^"+regexp.QuoteMeta(name)+"$"))
	if err != nil {
		return 0, err
	}
	_, value, ok := strings.Cut(strings.TrimSpace(string(body)), ": ")
	if !ok {
		return 0, nil
	}
	number, err := strconv.Atoi(value)
	if err != nil {
		return 0, fmt.Errorf("envoy: stat %s: %w", name, err)
	}
	return number, nil
}
