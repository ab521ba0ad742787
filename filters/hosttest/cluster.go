package hosttest

import (
	"errors"
	"slices"
	"strings"
	"time"

	"github.com/palisade-mesh/palisade/filters/host"
)

// HTTPCall is a request to a cluster.
type HTTPCall struct {
	Cluster string
	Headers [][2]string
	Body    string
	Timeout time.Duration
}

var errCluster = errors.New("hosttest: no such cluster")

// response is an answer to a call.
type response struct {
	headers [][2]string
	body    string
}

// HTTPCall implements host.Host. The id is the number of the call.
func (h *Host) HTTPCall(cluster string, headers [][2]string, body []byte, timeout time.Duration) (host.CallID, error) {
	if err := h.call("HTTPCall"); err != nil {
		return 0, err
	}
	if !slices.Contains(h.Clusters, cluster) {
		return 0, errCluster
	}
	c := HTTPCall{Cluster: strings.Clone(cluster), Body: string(body), Timeout: timeout}
	for _, p := range headers {
		c.Headers = append(c.Headers, [2]string{strings.Clone(p[0]), strings.Clone(p[1])})
	}
	h.HTTPCalls = append(h.HTTPCalls, c)
	return host.CallID(len(h.HTTPCalls)), nil
}

// Answer answers a call, which respond brings to the filter. status "": there was no answer.
func (h *Host) Answer(id host.CallID, status, body string, respond func(id host.CallID, bodySize uint32)) {
	h.response = &response{body: body}
	if status != "" {
		h.response.headers = [][2]string{{":status", status}}
	}
	respond(id, uint32(len(body)))
	h.response = nil
}

// ResponseHeaders implements host.Host.
func (h *Host) ResponseHeaders() ([][2]string, error) {
	if err := h.call("ResponseHeaders"); err != nil {
		return nil, err
	}
	if h.response == nil || h.response.headers == nil {
		return nil, host.ErrFailed
	}
	return h.response.headers, nil
}

// ResponseBody implements host.Host.
func (h *Host) ResponseBody(limit uint32) ([]byte, error) {
	if err := h.call("ResponseBody"); err != nil {
		return nil, err
	}
	if h.response == nil {
		return nil, nil
	}
	return h.lend(h.response.body[:min(len(h.response.body), int(limit))]), nil
}

// SetTick implements host.Host.
func (h *Host) SetTick(period time.Duration) error {
	if err := h.call("SetTick"); err != nil {
		return err
	}
	h.Ticking = period
	return nil
}
