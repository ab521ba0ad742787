package hosttest

import (
	"encoding/binary"
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

// answer is an answer to a call.
type answer struct {
	headers, trailers [][2]string
	body              string
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
	h.answerWith(answer{body: body}, id, status, respond)
}

// AnswerGRPC answers a call as a gRPC server does that has been called: message is framed, grpcStatus in the trailers.
func (h *Host) AnswerGRPC(id host.CallID, message []byte, grpcStatus string, respond func(id host.CallID, bodySize uint32)) {
	frame := binary.BigEndian.AppendUint32([]byte{0}, uint32(len(message)))
	a := answer{body: string(append(frame, message...)), trailers: [][2]string{{"grpc-status", grpcStatus}}}
	h.answerWith(a, id, "200", respond)
}

func (h *Host) answerWith(a answer, id host.CallID, status string, respond func(id host.CallID, bodySize uint32)) {
	if status != "" {
		a.headers = [][2]string{{":status", status}}
	}
	h.answer = &a
	respond(id, uint32(len(a.body)))
	h.answer = nil
}

// AnswerHeaders implements host.Host.
func (h *Host) AnswerHeaders() ([][2]string, error) {
	if err := h.call("AnswerHeaders"); err != nil {
		return nil, err
	}
	if h.answer == nil || h.answer.headers == nil {
		return nil, host.ErrFailed
	}
	return h.answer.headers, nil
}

// AnswerTrailers implements host.Host.
func (h *Host) AnswerTrailers() ([][2]string, error) {
	if err := h.call("AnswerTrailers"); err != nil {
		return nil, err
	}
	if h.answer == nil {
		return nil, host.ErrFailed
	}
	return h.answer.trailers, nil
}

// AnswerBody implements host.Host.
func (h *Host) AnswerBody(limit uint32) ([]byte, error) {
	if err := h.call("AnswerBody"); err != nil {
		return nil, err
	}
	if h.answer == nil {
		return nil, nil
	}
	return h.lend(h.answer.body[:min(len(h.answer.body), int(limit))]), nil
}

// SetTick implements host.Host.
func (h *Host) SetTick(period time.Duration) error {
	if err := h.call("SetTick"); err != nil {
		return err
	}
	h.Ticking = period
	return nil
}
