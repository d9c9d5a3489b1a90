/* SRS: what addresses become, that they come back, and that nothing else does. */
#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "secrets_fixture.h"
#include "test.h"

#include "delivery/srs.h"

#define DAY_MS   UINT64_C(86400000)
#define NOW_MS   (UINT64_C(20779) * DAY_MS + 12345678) /* 2026-11-22 */
#define OURS     "ours.test"
#define TAG_FROM 5

static struct mailbox mailbox_of(const char *text)
{
    struct mailbox mailbox;
    if (mailbox_parse(str_of(text), arena, &mailbox) < 0)
        fail_msg("no address: %s", text);
    return mailbox;
}

static struct mailbox encoded_at(const char *text, const char *domain, uint64_t now_ms)
{
    struct mailbox original = mailbox_of(text), rewritten;
    if (srs_encode(known, &original, str_of(domain), now_ms, arena, &rewritten) < 0)
        fail_msg("too long: %s", text);
    return rewritten;
}

static struct mailbox encoded(const char *text)
{
    return encoded_at(text, OURS, NOW_MS);
}

static enum srs_result decoded(const struct mailbox *address, struct mailbox *original)
{
    return srs_decode(known, address, NOW_MS, arena, original);
}

static void assert_text(const struct mailbox *mailbox, const char *text)
{
    assert_string_equal(arena_text(arena, mailbox->text), text);
}

/* --- rewriting and back --- */

static const struct {
    const char *original, *rewritten;
    const char *back; /* NULL: the original */
} vectors[] = {
    {"anna@orig.test", "SRS0=WAROZKCF=JL=orig.test=anna@" OURS, NULL},
    {"Anna.Smith@Orig.Test", "SRS0=OOUYBSXR=JL=orig.test=Anna.Smith@" OURS,
     "Anna.Smith@orig.test"},
    {"\"a b\"@orig.test", "\"SRS0=DERKO7SJ=JL=orig.test=a b\"@" OURS, NULL},
    {"\"a..b\"@orig.test", "\"SRS0=ICWZ3I3B=JL=orig.test=a..b\"@" OURS, NULL},
    {"\"a\\\"\\\\@b\"@orig.test", "\"SRS0=Q4GVE7EY=JL=orig.test=a\\\"\\\\@b\"@" OURS, NULL},
    {"josé@piñata.es", "SRS0=B75WGGIT=JL=xn--piata-pta.es=josé@" OURS,
     "josé@xn--piata-pta.es"},
    {"bounce-123-ben=dest.test@list.test",
     "SRS0=ESMXQ63I=JL=list.test=bounce-123-ben=dest.test@" OURS, NULL},
    {"prvs=1234abcdef=user@orig.test",
     "SRS0=BZMGJFSU=JL=orig.test=prvs=1234abcdef=user@" OURS, NULL},
    {"=@orig.test", "SRS0=OSQZO2FW=JL=orig.test==@" OURS, NULL},
    {"u@[192.0.2.1]", "\"SRS0=CPJM3SVZ=JL=[192.0.2.1]=u\"@" OURS, NULL},
    {"u@[IPv6:2001:db8::1]", "\"SRS0=YGEE4XIX=JL=[IPv6:2001:db8::1]=u\"@" OURS, NULL},
    {"SRS0=abcd=TT=a.test=user@fwd.test",
     "SRS1=Z3GA2W32JL=fwd.test==abcd=TT=a.test=user@" OURS, NULL},
    {"srs0+aBcd=TT=a.test=user@fwd.test",
     "SRS1=C3TVKOPRJL=fwd.test=+aBcd=TT=a.test=user@" OURS,
     "SRS0+aBcd=TT=a.test=user@fwd.test"},
    {"SRS0-x@fwd.test", "SRS1=FJMI3OEKJL=fwd.test=-x@" OURS, NULL},
    {"SRS1=wxyz=first.test==abcd=TT=a.test=user@fwd.test",
     "SRS1=JQYAYGXQJL=first.test==abcd=TT=a.test=user@" OURS,
     "SRS0=abcd=TT=a.test=user@first.test"},
    {"SRS1+wxyz=First.Test=-abcd=TT=a.test=user@fwd.test",
     "SRS1=ULA6XTFGJL=first.test=-abcd=TT=a.test=user@" OURS,
     "SRS0-abcd=TT=a.test=user@first.test"},
    {"SRS1=broken@fwd.test", "SRS0=SWSKUGZ6=JL=fwd.test=SRS1=broken@" OURS, NULL},
    {"SRS1=h=-bad-==x@fwd.test", "SRS0=DRP33SJR=JL=fwd.test=SRS1=h=-bad-==x@" OURS, NULL},
    {"SRS1=h=a.test=x@fwd.test", "SRS0=ULB3S5LV=JL=fwd.test=SRS1=h=a.test=x@" OURS, NULL},
    {"SRS0@fwd.test", "SRS0=EERGBQIZ=JL=fwd.test=SRS0@" OURS, NULL},
};
#define VECTOR_COUNT (sizeof vectors / sizeof *vectors)

static void addresses_are_rewritten_as_known(void **state)
{
    (void)state;
    for (size_t i = 0; i < VECTOR_COUNT; i++) {
        struct mailbox rewritten = encoded(vectors[i].original);
        assert_text(&rewritten, vectors[i].rewritten);
        assert_true(srs_is_address(&rewritten));
    }
}

static void rewritten_addresses_come_back(void **state)
{
    (void)state;
    for (size_t i = 0; i < VECTOR_COUNT; i++) {
        struct mailbox rewritten = mailbox_of(vectors[i].rewritten), original;
        if (decoded(&rewritten, &original) != SRS_OK)
            fail_msg("not ours: %s", vectors[i].rewritten);
        assert_text(&original, vectors[i].back ? vectors[i].back : vectors[i].original);
    }
}

static char *folded(const char *text, bool to_upper)
{
    char *copy = arena_text(arena, str_of(text));
    for (char *c = copy; *c; c++) {
        *c = ascii_lower(*c);
        if (to_upper && *c >= 'a' && *c <= 'z')
            *c = (char)(*c - 'a' + 'A');
    }
    return copy;
}

static void addresses_survive_folding_on_the_way(void **state)
{
    (void)state;
    for (size_t i = 0; i < VECTOR_COUNT; i++)
        for (int to_upper = 0; to_upper < 2; to_upper++) {
            struct mailbox way = mailbox_of(folded(vectors[i].rewritten, to_upper)), back;
            struct mailbox original =
                mailbox_of(vectors[i].back ? vectors[i].back : vectors[i].original);
            assert_int_equal(decoded(&way, &back), SRS_OK);
            assert_true(mailbox_same(&back, &original));
        }
}

static void null_and_our_own_stay_as_they_are(void **state)
{
    (void)state;
    struct mailbox null = {.is_null = true}, rewritten;
    assert_int_equal(srs_encode(known, &null, STR(OURS), NOW_MS, arena, &rewritten), 0);
    assert_true(rewritten.is_null);
    rewritten = encoded("anna@" OURS);
    assert_text(&rewritten, "anna@" OURS);
    rewritten = encoded_at("SRS0=AAAAAAAA=AA=a.test=b@" OURS, "Ours.Test", NOW_MS);
    assert_text(&rewritten, "SRS0=AAAAAAAA=AA=a.test=b@" OURS);
}

static void only_what_fits_is_rewritten(void **state)
{
    (void)state;
    char local[MAILBOX_BYTES_MAX + 1];
    size_t overhead = strlen("SRS0=HHHHHHHH=TT=x.test=@" OURS);
    for (size_t length = MAILBOX_BYTES_MAX - overhead - 2; length < 230; length++) {
        memset(local, 'a', length);
        strcpy(local + length, "@x.test");
        struct mailbox original = mailbox_of(local), rewritten, back;
        int result = srs_encode(known, &original, STR(OURS), NOW_MS, arena, &rewritten);
        assert_int_equal(result,
                         length + overhead <= MAILBOX_BYTES_MAX ? 0 : -ENAMETOOLONG);
        if (result == 0) {
            assert_int_equal(decoded(&rewritten, &back), SRS_OK);
            assert_true(str_equal(back.text, original.text));
        }
    }
}

/* --- what is not ours --- */

static void what_is_malformed_or_forged_is_refused(void **state)
{
    (void)state;
    static const char *const cases[] = {
        "anna@" OURS,
        "SRS0@" OURS,
        "SRS0=@" OURS,
        "SRS1=@" OURS,
        "SRS2=AAAAAAAA=AA=a.test=b@" OURS,
        "SRS0=AAAAAAAA=AA=a.test=b@" OURS,
        "SRS0=AAAAAAAA=AA=a.test=@" OURS,
        "SRS0=AAAAAAAA=AA==b@" OURS,
        "SRS0=AAAAAAAA=AA=@" OURS,
        "SRS0=AAAAAAAA=AA@" OURS,
        "SRS0=AAAAAAAA=A@" OURS,
        "SRS0=AAAAAAAA=18=a.test=b@" OURS,
        "SRS0=AAAA=AA=a.test=b@" OURS,
        "SRS0=AAAAAAAAAAAA=a.test=b@" OURS,
        "SRS1=AAAAAAAAAA=a.test==b@" OURS,
        "SRS1=AAAAAAAAAA=a.test=b@" OURS,
        "SRS1=AAAAAAAAAA=a.test=@" OURS,
        "SRS1=AAAAAAAA=AA=a.test==b@" OURS,
        "\"SRS0=\\\"\\\"\\\"\\\"    =AA=a.test=b\"@" OURS,
        "SRS0=ééééAAAA=AA=a.test=b@" OURS,
    };
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        struct mailbox address = mailbox_of(cases[i]), original;
        if (decoded(&address, &original) != SRS_FORGED)
            fail_msg("taken: %s", cases[i]);
        assert_int_equal(original.text.length, 0);
    }
}

static void only_what_says_so_is_an_srs_address(void **state)
{
    (void)state;
    static const char *const yes[] = {"SRS0=x@a", "srs1+x@a", "Srs0-x@a", "SRS0=@a"};
    static const char *const no[] = {"SRS0@a", "SRS2=x@a", "xSRS0=x@a", "srs@a",
                                     "SRS0.x@a"};
    for (size_t i = 0; i < sizeof yes / sizeof *yes; i++) {
        struct mailbox address = mailbox_of(yes[i]);
        assert_true(srs_is_address(&address));
    }
    for (size_t i = 0; i < sizeof no / sizeof *no; i++) {
        struct mailbox address = mailbox_of(no[i]);
        assert_false(srs_is_address(&address));
    }
    struct mailbox null = {.is_null = true};
    assert_false(srs_is_address(&null));
}

/* A changed byte makes a forgery or, where it only changes case, the same address. */
static void assert_no_change_passes(const struct mailbox *address)
{
    struct mailbox original;
    assert_int_equal(decoded(address, &original), SRS_OK);
    for (size_t i = TAG_FROM; i < address->local.length; i++)
        for (int byte = 32; byte < 127; byte++) {
            char *local = arena_text(arena, address->local);
            struct mailbox changed = *address, back;
            bool is_same = ascii_lower(local[i]) == ascii_lower((char)byte);
            local[i] = (char)byte;
            changed.local.at = local;
            if (decoded(&changed, &back) != (is_same ? SRS_OK : SRS_FORGED))
                fail_msg("taken: %.*s", STR_ARG(changed.local));
            assert_true(!is_same || mailbox_same(&back, &original));
        }
}

static void no_byte_of_an_address_can_be_changed(void **state)
{
    (void)state;
    for (size_t i = 0; i < VECTOR_COUNT; i += 3) {
        struct mailbox address = mailbox_of(vectors[i].rewritten);
        assert_no_change_passes(&address);
    }
}

static void the_parts_cannot_be_read_in_another_way(void **state)
{
    (void)state;
    /* What an SRS0 address says, said by an SRS1 address, and the other way round. */
    struct mailbox srs1 = encoded("SRS0=abcd=TT=c.test=u@b.test"), back;
    const char *tag = srs1.local.at + TAG_FROM, *stamp = tag + 8;
    struct mailbox as_srs0 = mailbox_of(
        arena_printf(arena, "SRS0=%.8s=%.2s=b.test==abcd=TT=c.test=u@" OURS, tag, stamp));
    assert_int_equal(decoded(&as_srs0, &back), SRS_FORGED);
    struct mailbox shorter = mailbox_of(
        arena_printf(arena, "SRS1=%.8s%.2s=b.tes=t=abcd=TT=c.test=u@" OURS, tag, stamp));
    assert_int_equal(decoded(&shorter, &back), SRS_FORGED);
}

/* --- time --- */

static void addresses_expire(void **state)
{
    (void)state;
    static const char *const originals[] = {"anna@orig.test",
                                            "SRS0=abcd=TT=c.test=u@b.test"};
    static const struct {
        int days;
        enum srs_result result;
    } cases[] = {
        {0, SRS_OK},        {1, SRS_OK},         {21, SRS_OK},   {22, SRS_EXPIRED},
        {500, SRS_EXPIRED}, {1022, SRS_EXPIRED}, {1024, SRS_OK}, {-1, SRS_OK},
        {-2, SRS_EXPIRED},  {-21, SRS_EXPIRED},
    };
    /* 20480 is 20 * 1024: the stamp wraps on some of these days. */
    for (uint64_t day = 20470; day < 20490; day++)
        for (size_t i = 0; i < 2 * sizeof cases / sizeof *cases; i++) {
            struct mailbox address = encoded_at(originals[i % 2], OURS, day * DAY_MS), back;
            uint64_t then_ms = (day + (uint64_t)cases[i / 2].days) * DAY_MS + DAY_MS - 1;
            assert_int_equal(srs_decode(known, &address, then_ms, arena, &back),
                             cases[i / 2].result);
            assert_text(&back, originals[i % 2]);
        }
}

static void the_end_of_an_address_is_told(void **state)
{
    (void)state;
    struct mailbox address = encoded_at("a@b.test", OURS, 20479 * DAY_MS + 5), back;
    uint64_t end_ms = 20501 * DAY_MS;
    assert_int_equal(srs_decode(known, &address, end_ms - 1, arena, &back), SRS_OK);
    assert_int_equal(srs_decode(known, &address, end_ms, arena, &back), SRS_EXPIRED);
    assert_int_equal(srs_expires_ms(&address, 20478 * DAY_MS), end_ms);
    assert_int_equal(srs_expires_ms(&address, 20479 * DAY_MS), end_ms);
    assert_int_equal(srs_expires_ms(&address, 20502 * DAY_MS), end_ms);
    assert_int_equal(srs_expires_ms(&address, 20479 * DAY_MS + 1000 * DAY_MS), end_ms);
    struct mailbox none = mailbox_of("a@b.test");
    assert_int_equal(srs_expires_ms(&none, NOW_MS), 0);
}

static void an_older_secret_still_verifies(void **state)
{
    (void)state;
    struct mailbox address = encoded("anna@orig.test"), back;
    assert_int_equal(srs_decode(rotated, &address, NOW_MS, arena, &back), SRS_OK);
    assert_text(&back, "anna@orig.test");
    assert_int_equal(srs_decode(other, &address, NOW_MS, arena, &back), SRS_FORGED);
}

/* --- through several forwarders --- */

static void a_bounce_goes_back_through_two_forwarders(void **state)
{
    (void)state;
    struct mailbox original = mailbox_of("anna=x+y@orig.test"), first, second, third, back;
    assert_int_equal(srs_encode(known, &original, STR("one.test"), NOW_MS, arena, &first),
                     0);
    assert_int_equal(srs_encode(other, &first, STR("two.test"), NOW_MS, arena, &second), 0);
    assert_int_equal(srs_encode(known, &second, STR("three.test"), NOW_MS, arena, &third),
                     0);
    assert_int_equal(srs_decode(known, &third, NOW_MS, arena, &back), SRS_OK);
    assert_true(str_equal(back.text, first.text));
    assert_int_equal(srs_decode(known, &second, NOW_MS, arena, &back), SRS_FORGED);
    assert_int_equal(srs_decode(other, &second, NOW_MS, arena, &back), SRS_OK);
    assert_true(str_equal(back.text, first.text));
    assert_int_equal(srs_decode(known, &back, NOW_MS, arena, &back), SRS_OK);
    assert_true(str_equal(back.text, original.text));
}

/* --- any address --- */

static unsigned chance(unsigned below)
{
    static uint32_t seed = 20261122;
    seed = seed * 1664525 + 1013904223;
    return (seed >> 8) % below;
}

static struct mailbox any_mailbox(void)
{
    static const char *const pieces[] = {"a", "Z",     "=",     "+",      "-",    ".",
                                         "é", "SRS0=", "SRS1=", "prvs",   "\\\"", "\\\\",
                                         " ", "@",     "==",    "x.test", "漢",   "0"};
    static const char *const domains[] = {"a.test", "[192.0.2.1]",        "piñata.es",
                                          "X",      "[IPv6:2001:db8::1]", "a_b.c-d.test"};
    char text[200] = "\"";
    for (unsigned i = chance(8) + 1; i; i--)
        strcat(text, pieces[chance(sizeof pieces / sizeof *pieces)]);
    strcat(text, "\"@");
    strcat(text, domains[chance(sizeof domains / sizeof *domains)]);
    return mailbox_of(text);
}

static bool is_srs1(const struct mailbox *address)
{
    return str_starts(address->local, STR("SRS1="));
}

/* Through one to three forwarders, each with a secret of its own, and all the way back. */
static void any_address_comes_back(void **state)
{
    (void)state;
    const struct secret *const secrets[] = {known, other, known};
    const struct str domains[] = {STR("one.test"), STR("two.test"), STR("three.test")};
    for (int i = 0; i < 20000; i++) {
        struct mailbox original = any_mailbox(), first, way, back;
        uint64_t now_ms = NOW_MS + chance(3000) * DAY_MS;
        assert_int_equal(srs_encode(known, &original, domains[0], now_ms, arena, &first),
                         0);
        way = first;
        unsigned last = chance(3);
        for (unsigned n = 1; n <= last; n++)
            assert_int_equal(srs_encode(secrets[n], &way, domains[n], now_ms, arena, &way),
                             0);
        assert_int_equal(srs_decode(known, &first, now_ms, arena, &back), SRS_OK);
        if (!is_srs1(&original) &&
            !str_equal(back.text, mailbox_ascii_text(&original, arena)))
            fail_msg("%.*s became %.*s", STR_ARG(original.text), STR_ARG(back.text));
        struct mailbox expected = is_srs1(&first) ? back : first;
        if (last) {
            assert_int_equal(srs_decode(secrets[last], &way, now_ms, arena, &back), SRS_OK);
            assert_true(str_equal(back.text, expected.text));
        }
        arena_reset(arena);
    }
}

#define srs_test(name) cmocka_unit_test(name)

int main(void)
{
    const struct CMUnitTest tests[] = {
        srs_test(addresses_are_rewritten_as_known),
        srs_test(rewritten_addresses_come_back),
        srs_test(addresses_survive_folding_on_the_way),
        srs_test(null_and_our_own_stay_as_they_are),
        srs_test(only_what_fits_is_rewritten),
        srs_test(what_is_malformed_or_forged_is_refused),
        srs_test(only_what_says_so_is_an_srs_address),
        srs_test(no_byte_of_an_address_can_be_changed),
        srs_test(the_parts_cannot_be_read_in_another_way),
        srs_test(addresses_expire),
        srs_test(the_end_of_an_address_is_told),
        srs_test(an_older_secret_still_verifies),
        srs_test(a_bounce_goes_back_through_two_forwarders),
        srs_test(any_address_comes_back),
    };
    return cmocka_run_group_tests(tests, open_secrets, free_secrets);
}
