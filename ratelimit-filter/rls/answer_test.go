package rls_test

import (
	"encoding/binary"
	"slices"
	"testing"
	"time"

	rlsv3 "github.com/envoyproxy/go-control-plane/envoy/service/ratelimit/v3"
	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	"google.golang.org/protobuf/encoding/protowire"
	"google.golang.org/protobuf/proto"
	"google.golang.org/protobuf/types/known/durationpb"

	"github.com/palisade-mesh/palisade/ratelimit-filter/rls"
)

type status = rlsv3.RateLimitResponse_DescriptorStatus

func framed(message []byte) []byte {
	return append(binary.BigEndian.AppendUint32([]byte{0}, uint32(len(message))), message...)
}

func answer(t testing.TB, list ...*status) []byte {
	t.Helper()
	overall := rlsv3.RateLimitResponse_OK
	for _, s := range list {
		overall = max(overall, s.GetCode())
	}
	return overallAnswer(t, overall, list...)
}

func overallAnswer(t testing.TB, overall rlsv3.RateLimitResponse_Code, list ...*status) []byte {
	t.Helper()
	b, err := proto.Marshal(&rlsv3.RateLimitResponse{OverallCode: overall, Statuses: list, RawBody: []byte("x")})
	require.NoError(t, err)
	return framed(b)
}

// A service may only try limits (envoyproxy/ratelimit's SHADOW_MODE), or not say which limit it is (Limitador).
func TestOverallCode(t *testing.T) {
	const ok, over = rlsv3.RateLimitResponse_OK, rlsv3.RateLimitResponse_OVER_LIMIT
	fine, refused := &status{Code: ok, CurrentLimit: aLimit, LimitRemaining: 2}, &status{Code: over, CurrentLimit: aLimit}
	for name, c := range map[string]struct {
		overall rlsv3.RateLimitResponse_Code
		list    []*status
		want    []rls.Status // nil: an error
	}{
		"tried only":       {ok, []*status{refused, fine}, []rls.Status{{Known: true, Reset: 1}, {Known: true, Remaining: 2, Reset: 1}}},
		"one is over":      {over, []*status{refused, fine}, []rls.Status{{Known: true, Over: true, Reset: 1}, {Known: true, Remaining: 2, Reset: 1}}},
		"none is named":    {over, []*status{fine, fine}, []rls.Status{{Known: true, Over: true, Reset: 1}, {Known: true, Over: true, Reset: 1}}},
		"no statuses":      {over, nil, []rls.Status{{Over: true, Reset: 1}, {Over: true, Reset: 1}}},
		"OK of nothing":    {ok, nil, nil},
		"over, too few":    {over, []*status{refused}, nil},
		"has not said":     {rlsv3.RateLimitResponse_UNKNOWN, []*status{fine, fine}, nil},
		"something else":   {7, []*status{fine, fine}, nil},
		"has no limit":     {ok, []*status{fine, {Code: ok}}, []rls.Status{{Known: true, Remaining: 2, Reset: 1}, {Reset: 1}}},
		"has it unlimited": {ok, []*status{fine, {Code: ok, LimitRemaining: 1<<32 - 1}}, []rls.Status{{Known: true, Remaining: 2, Reset: 1}, {Known: true, Remaining: 1<<32 - 1, Reset: 1}}},
	} {
		got, err := rls.Decode(nil, overallAnswer(t, c.overall, c.list...), 2)
		if c.want == nil {
			assert.Error(t, err, name)
			continue
		}
		require.NoError(t, err, name)
		assert.Equal(t, c.want, got, name)
	}
}

var aLimit = &rlsv3.RateLimitResponse_RateLimit{RequestsPerUnit: 3, Unit: rlsv3.RateLimitResponse_RateLimit_HOUR}

func TestDecode(t *testing.T) {
	got, err := rls.Decode(nil, answer(t,
		&status{Code: rlsv3.RateLimitResponse_OK, CurrentLimit: aLimit, LimitRemaining: 4e9, DurationUntilReset: durationpb.New(90 * time.Second)},
		&status{Code: rlsv3.RateLimitResponse_OVER_LIMIT, CurrentLimit: aLimit, LimitRemaining: 5, DurationUntilReset: durationpb.New(1500 * time.Millisecond)},
		&status{Code: rlsv3.RateLimitResponse_OVER_LIMIT},
		&status{Code: rlsv3.RateLimitResponse_OK, DurationUntilReset: durationpb.New(-time.Hour)},
		&status{Code: rlsv3.RateLimitResponse_OK, DurationUntilReset: &durationpb.Duration{Seconds: 1<<63 - 1, Nanos: 1}},
	), 5)
	require.NoError(t, err)
	assert.Equal(t, []rls.Status{
		{Known: true, Remaining: 4e9, Reset: 90}, {Known: true, Over: true, Reset: 2}, {Over: true, Reset: 1}, {Reset: 1},
		{Reset: 366*24*3600 + 1},
	}, got)
	same, err := rls.Decode(got, answer(t, &status{Code: rlsv3.RateLimitResponse_OK}), 1)
	require.NoError(t, err)
	assert.Equal(t, []rls.Status{{Reset: 1}}, same, "nothing is left of the answer before")
}

func TestDecodeRefuses(t *testing.T) {
	ok := &status{Code: rlsv3.RateLimitResponse_OK, CurrentLimit: aLimit}
	good := answer(t, ok)
	_, err := rls.Decode(nil, good, 1)
	require.NoError(t, err)
	compressed, short := append([]byte(nil), good...), append([]byte(nil), good...)
	compressed[0] = 1
	short[4]--
	raw := func(fields ...[]byte) []byte {
		var s []byte
		for _, f := range fields {
			s = append(s, f...)
		}
		return framed(protowire.AppendBytes(protowire.AppendTag([]byte{0x08, 1}, 2, protowire.BytesType), s))
	}
	number := func(field protowire.Number, kind protowire.Type, n uint64) []byte {
		b := protowire.AppendTag(nil, field, kind)
		if kind == protowire.Fixed64Type {
			return protowire.AppendFixed64(b, n)
		}
		return protowire.AppendVarint(b, n)
	}
	for name, body := range map[string][]byte{
		"nothing":                nil,
		"half a header":          good[:4],
		"compressed":             compressed,
		"cut off":                good[:len(good)-1],
		"trailing garbage":       append(append([]byte(nil), good...), 0),
		"two messages":           append(append([]byte(nil), good...), good...),
		"a size too small":       short,
		"no status":              answer(t),
		"another's status":       answer(t, ok, ok),
		"an unknown code":        answer(t, &status{Code: 3, CurrentLimit: aLimit}),
		"code UNKNOWN":           answer(t, &status{Code: rlsv3.RateLimitResponse_UNKNOWN, CurrentLimit: aLimit}),
		"no code":                raw(number(3, protowire.VarintType, 1)),
		"a code of another kind": raw(number(1, protowire.Fixed64Type, 1)),
		"a code beyond 32 bits":  raw(number(1, protowire.VarintType, 1<<32|1)),
		"a status that is none":  framed(append([]byte{0x08, 1}, number(2, protowire.VarintType, 1)...)),
		"a broken status":        raw([]byte{0x08}),
		"a broken duration":      raw(number(1, protowire.VarintType, 1), []byte{0x22, 1, 0x08}),
	} {
		_, err := rls.Decode(nil, body, 1)
		assert.Error(t, err, name)
	}
}

func FuzzDecode(f *testing.F) {
	for _, s := range []*status{
		{Code: 1, CurrentLimit: aLimit, LimitRemaining: 7, DurationUntilReset: durationpb.New(1500 * time.Millisecond)}, {Code: 2}, {Code: 9},
	} {
		f.Add(answer(f, s), uint8(1))
		f.Add(answer(f, s, s), uint8(2))
	}
	f.Add(framed([]byte{0x08, 2, 0x12, 9, 0x09, 1, 0, 0, 0, 0, 0, 0, 0}), uint8(1))                                   // a code that is no varint
	f.Add(framed([]byte{0x08, 2, 0x12, 10, 0x08, 1, 0x22, 2, 0x08, 5, 0x22, 2, 0x10, 1}), uint8(1))                   // two durations, merged
	f.Add(framed([]byte{0x08, 2, 0x12, 8, 0x08, 1, 0x22, 4, 0x08, 5, 0x08, 6}), uint8(1))                             // seconds twice
	f.Add(framed([]byte{0x08, 2, 0x12, 7, 0x08, 1, 0x12, 0, 0x1d, 1, 0, 0, 0}), uint8(1))                             // cut
	f.Add(framed([]byte{0x08, 2, 0x12, 9, 0x08, 1, 0x10, 7, 0x1d, 1, 0, 0, 0}), uint8(1))                             // other kinds
	f.Add(framed([]byte{0x08, 2, 0x12, 4, 0x08, 2, 0x08, 1, 0x12, 2, 0x08, 1}), uint8(2))                             // a code twice
	f.Add(framed([]byte{0x08, 2, 0x12, 12, 0x08, 1, 0x18, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 1, 0x20, 3}), uint8(1)) // remaining of 64 bits
	f.Fuzz(func(t *testing.T, body []byte, count uint8) {
		got, err := rls.Decode(nil, body, int(count))
		if err != nil {
			return
		}
		require.Len(t, got, int(count))
		m := &rlsv3.RateLimitResponse{}
		if proto.Unmarshal(body[5:], m) != nil {
			return // it knows more of what may be wrong
		}
		overall := m.GetOverallCode()
		require.Contains(t, []rlsv3.RateLimitResponse_Code{rlsv3.RateLimitResponse_OK, rlsv3.RateLimitResponse_OVER_LIMIT}, overall)
		if overall == rlsv3.RateLimitResponse_OVER_LIMIT && count > 0 {
			require.True(t, slices.ContainsFunc(got, func(s rls.Status) bool { return s.Over }))
		}
		if len(m.GetStatuses()) == 0 {
			return
		}
		require.Len(t, m.GetStatuses(), int(count))
		anyOver := slices.ContainsFunc(m.GetStatuses(), func(s *status) bool { return s.GetCode() == rlsv3.RateLimitResponse_OVER_LIMIT })
		for i, s := range m.GetStatuses() {
			over := s.GetCode() == rlsv3.RateLimitResponse_OVER_LIMIT
			require.Equal(t, overall == rlsv3.RateLimitResponse_OVER_LIMIT && (over || !anyOver), got[i].Over)
			require.True(t, over || s.GetCode() == rlsv3.RateLimitResponse_OK)
			require.Equal(t, s.CurrentLimit != nil || !over && s.GetLimitRemaining() == 1<<32-1, got[i].Known)
			if !over && !got[i].Over {
				require.EqualValues(t, s.GetLimitRemaining(), got[i].Remaining)
			}
			reset := min(max(s.GetDurationUntilReset().GetSeconds(), 0), 366*24*3600)
			if s.GetDurationUntilReset().GetNanos() > 0 {
				reset++
			}
			require.Equal(t, max(reset, 1), got[i].Reset)
		}
	})
}

func TestCheckStatus(t *testing.T) {
	for name, c := range map[string]struct {
		headers, trailers [][2]string
		ok                bool
	}{
		"ok":                         {[][2]string{{":status", "200"}}, [][2]string{{"grpc-status", "0"}}, true},
		"trailers only":              {[][2]string{{":status", "200"}, {"grpc-status", "0"}}, nil, true},
		"refused":                    {[][2]string{{":status", "200"}}, [][2]string{{"grpc-status", "14"}}, false},
		"refused, trailers only":     {[][2]string{{":status", "200"}, {"grpc-status", "2"}}, nil, false},
		"both, and they differ":      {[][2]string{{":status", "200"}, {"grpc-status", "0"}}, [][2]string{{"grpc-status", "2"}}, false},
		"the other way round":        {[][2]string{{":status", "200"}, {"grpc-status", "2"}}, [][2]string{{"grpc-status", "0"}}, false},
		"repeated":                   {[][2]string{{":status", "200"}}, [][2]string{{"grpc-status", "0"}, {"grpc-status", "1"}}, false},
		"repeated in the headers":    {[][2]string{{":status", "200"}, {"grpc-status", "0"}, {"grpc-status", "1"}}, nil, false},
		"the proxy's own answer":     {[][2]string{{":status", "503"}}, nil, false},
		"503, and ok all the same":   {[][2]string{{":status", "503"}}, [][2]string{{"grpc-status", "0"}}, false},
		"nothing said":               {[][2]string{{":status", "200"}}, [][2]string{{"grpc-message", "0"}}, false},
		"nothing":                    {nil, nil, false},
		"not a number":               {[][2]string{{":status", "200"}}, [][2]string{{"grpc-status", ""}}, false},
		"status after what it means": {[][2]string{{"grpc-status", "0"}, {":status", "500"}}, nil, false},
	} {
		assert.Equal(t, c.ok, rls.CheckStatus(c.headers, c.trailers) == nil, name)
	}
}
