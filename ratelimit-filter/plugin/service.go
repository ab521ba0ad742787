package plugin

import (
	"errors"
	"time"

	"github.com/palisade-mesh/palisade/filters/host"
	"github.com/palisade-mesh/palisade/ratelimit-filter/ratelimit"
	"github.com/palisade-mesh/palisade/ratelimit-filter/rls"
)

// service is the rate limit service, as a worker sees it.
type service struct {
	config   *ratelimit.GlobalConfig // nil: nobody asks
	breaker  rls.Breaker
	calls    []call // under way
	answer   ratelimit.Answer
	statuses []rls.Status

	ok, over, failed, skipped host.Metric
	latency                   host.Metric
}

// call is one that is under way.
type call struct {
	id          host.CallID
	stream      host.StreamID // that waits; 0: nobody does
	question    uint64
	descriptors int
	probe       bool // what the breaker says of it
	sent        time.Time
	since       int64 // the same, by the clock that only goes forward
}

// maxCalls is how many requests of a worker wait at once; each holds its stream and, in the proxy, its headers.
const maxCalls = 1024

var errBusy = errors.New("too many requests wait for the rate limit service")

// unanswered is the answer of a service that is not asked.
func (s *service) unanswered() *ratelimit.Answer {
	s.answer = ratelimit.Answer{Failed: true}
	return &s.answer
}

// allows tells whether the service may be asked.
func (s *service) allows(h host.Host) bool {
	if s.breaker.Allows(h.Monotonic()) {
		return true
	}
	s.skip(h)
	return false
}

func (s *service) skip(h host.Host) {
	s.skipped.Add(h, host.Counter, "palisade.ratelimit_service.result.skipped", 1)
}

// ask sends a question. stream waits for the answer, or nobody.
func (s *service) ask(h host.Host, question []byte, c call) error {
	if len(s.calls) >= maxCalls {
		s.skip(h)
		return errBusy
	}
	c.sent, c.since = h.Now(), h.Monotonic()
	c.probe = s.breaker.Asked()
	id, err := h.HTTPCall(s.config.Cluster, s.headers(), question, s.config.Timeout)
	if err != nil { // as of a cluster without a healthy host
		s.fail(h, c.since, c.probe)
		return err
	}
	c.id = id
	s.calls = append(s.calls, c)
	return nil
}

func (s *service) headers() [][2]string {
	return [][2]string{
		{":method", "POST"}, {":path", rls.Path}, {":authority", s.config.Cluster}, {":scheme", "http"},
		{"content-type", "application/grpc"}, {"te", "trailers"},
	}
}

func (s *service) fail(h host.Host, now int64, probe bool) {
	s.failed.Add(h, host.Counter, "palisade.ratelimit_service.result.error", 1)
	var b [1]byte
	_ = h.Random(b[:]) // without it workers are not spread
	s.breaker.Failed(now, float64(b[0])/256, probe)
}

// answered reads the answer to a call. found is false for one that is not the service's. What it gives is valid until the
// next.
func (s *service) answered(h host.Host, id host.CallID, bodySize uint32) (c call, a *ratelimit.Answer, found bool) {
	for i := range s.calls {
		if s.calls[i].id == id {
			c = s.calls[i]
			s.calls[i] = s.calls[len(s.calls)-1]
			s.calls = s.calls[:len(s.calls)-1]
			found = true
			break
		}
	}
	if !found {
		return c, nil, false
	}
	now := h.Monotonic()
	s.latency.Record(h, "palisade.ratelimit_service_microseconds", uint64(max(now-c.since, 0))/uint64(time.Microsecond))
	err := s.read(h, bodySize, c.descriptors)
	s.answer = ratelimit.Answer{QuestionID: c.question, Statuses: s.statuses, Sent: c.sent, Told: h.Now(), Failed: err != nil}
	if err != nil {
		s.fail(h, now, c.probe)
		return c, &s.answer, true
	}
	s.breaker.Answered()
	for i := range s.statuses {
		if s.statuses[i].Over {
			s.over.Add(h, host.Counter, "palisade.ratelimit_service.result.over_limit", 1)
			return c, &s.answer, true
		}
	}
	s.ok.Add(h, host.Counter, "palisade.ratelimit_service.result.ok", 1)
	return c, &s.answer, true
}

func (s *service) read(h host.Host, bodySize uint32, descriptors int) error {
	headers, err := h.AnswerHeaders()
	if err != nil {
		return err
	}
	trailers, err := h.AnswerTrailers()
	if err != nil {
		return err
	}
	if err := rls.CheckStatus(headers, trailers); err != nil {
		return err
	}
	if bodySize > rls.MaxAnswer {
		return rls.ErrFrame
	}
	body, err := h.AnswerBody(bodySize)
	if err != nil {
		return err
	}
	s.statuses, err = rls.Decode(s.statuses, body, descriptors)
	return err
}
