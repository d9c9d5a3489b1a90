/* Refusals as peers word them, and what the table makes of them. */
#include "test.h"

#include "delivery/failure.h"
#include "delivery/failure_texts.h"

struct bounce {
    const char *wire; /* without the last line end */
    enum failure_class failure;
};

/* --- Gmail --- */

static const struct bounce gmail[] = {
    {"550-5.1.1 The email account that you tried to reach does not exist. Please try\r\n"
     "550-5.1.1 double-checking the recipient's email address for typos or\r\n"
     "550-5.1.1 unnecessary spaces. For more information, go to\r\n"
     "550 5.1.1  https://support.google.com/mail/?p=NoSuchUser a1-20020a170902b - gsmtp",
     FAILURE_HARD},
    {"550 5.2.1 The email account that you tried to reach is disabled. Learn more at "
     "https://support.google.com/mail/?p=DisabledUser - gsmtp",
     FAILURE_HARD},
    {"550-5.2.1 The email account that you tried to reach is inactive. For more\r\n"
     "550 5.2.1 information, go to https://support.google.com/mail/?p=DisabledUser - gsmtp",
     FAILURE_HARD},
    {"452-4.2.2 The email account that you tried to reach is over quota. Please direct\r\n"
     "452 4.2.2 the recipient to https://support.google.com/mail/?p=OverQuotaTemp - gsmtp",
     FAILURE_QUOTA},
    {"552-5.2.2 The recipient's inbox is out of storage space. Please direct the\r\n"
     "552 5.2.2 recipient to https://support.google.com/mail/?p=OverQuotaPerm - gsmtp",
     FAILURE_QUOTA},
    {"450-4.2.1 The user you are trying to contact is receiving mail at a rate that\r\n"
     "450 4.2.1 prevents additional messages from being delivered. - gsmtp",
     FAILURE_RATE},
    {"550-5.2.1 The user you are trying to contact is receiving mail too quickly.\r\n"
     "550 5.2.1 Please resend your message at a later time. - gsmtp",
     FAILURE_RATE},
    {"421-4.7.28 Gmail has detected an unusual rate of unsolicited mail originating\r\n"
     "421 4.7.28 from your IP address. To protect our users from spam, mail sent from your "
     "IP address has been temporarily rate limited. - gsmtp",
     FAILURE_RATE},
    {"421-4.7.0 [192.0.2.1      15] Our system has detected that this message is\r\n"
     "421-4.7.0 suspicious due to the very low reputation of the sending IP address.\r\n"
     "421 4.7.0 To protect our users from spam, mail has been blocked. - gsmtp",
     FAILURE_BLOCK},
    {"550-5.7.1 [192.0.2.1      12] Our system has detected that this message is\r\n"
     "550-5.7.1 likely unsolicited mail. To reduce the amount of spam sent to Gmail,\r\n"
     "550 5.7.1 this message has been blocked. - gsmtp",
     FAILURE_SPAM},
    {"550-5.7.26 This mail has been blocked because the sender is unauthenticated.\r\n"
     "550-5.7.26 Gmail requires all senders to authenticate with either SPF or DKIM.\r\n"
     "550 5.7.26 DKIM = did not pass SPF [forward.test] with ip: [192.0.2.1] = did not "
     "pass - gsmtp",
     FAILURE_AUTHENTICATION},
    {"550-5.7.26 Unauthenticated email from bank.test is not accepted due to domain's\r\n"
     "550 5.7.26 DMARC policy. Please contact the administrator of bank.test - gsmtp",
     FAILURE_AUTHENTICATION},
    {"550-5.7.26 This message does not have authentication information or fails to\r\n"
     "550 5.7.26 pass authentication checks. To best protect our users - gsmtp",
     FAILURE_AUTHENTICATION},
    {"421-4.7.27 Your email has been rate limited because SPF authentication didn't pass "
     "for\r\n421 4.7.27 this message. - gsmtp",
     FAILURE_AUTHENTICATION},
    {"550 5.7.30 This message wasn't authenticated well enough - gsmtp",
     FAILURE_AUTHENTICATION},
    {"421-4.7.29 Your email has been rate limited because this message wasn't sent over "
     "a\r\n"
     "421 4.7.29 TLS connection. - gsmtp",
     FAILURE_TLS},
    {"550-5.7.25 [192.0.2.1] The IP address sending this message does not have a PTR "
     "record\r\n550 5.7.25 setup. As a policy, Gmail does not accept messages from IPs "
     "with missing PTR records. - gsmtp",
     FAILURE_POLICY},
    {"552-5.7.0 This message was blocked because its content presents a potential\r\n"
     "552 5.7.0 security issue. Please visit "
     "https://support.google.com/mail/?p=BlockedMessage",
     FAILURE_CONTENT},
    {"552 5.3.4 Your message exceeded Google's message size limits. - gsmtp", FAILURE_SIZE},
    {"550 5.7.1 Messages missing a valid message-id header are not accepted. - gsmtp",
     FAILURE_CONTENT},
    {"550-5.7.1 [192.0.2.1] Messages with multiple addresses in From: header are not "
     "accepted, RFC 5322.\r\n550 5.7.1 - gsmtp",
     FAILURE_CONTENT},
    {"451-4.3.0 Mail server temporarily rejected message. For more information, go\r\n"
     "451 4.3.0 to https://support.google.com/a/answer/3221692 - gsmtp",
     FAILURE_SOFT},
    {"454 4.7.0 Too many login attempts, please try again later.", FAILURE_RATE},
    {"550 5.4.5 Daily user sending limit exceeded. - gsmtp", FAILURE_RATE},
    {"554 5.6.0 Mail message is malformed. Not accepted. - gsmtp", FAILURE_CONTENT},
};

/* --- Outlook.com and Exchange Online --- */

static const struct bounce exchange[] = {
    {"550 5.1.10 RESOLVER.ADR.RecipientNotFound; Recipient not found by SMTP address "
     "lookup",
     FAILURE_HARD},
    {"550 5.5.0 Requested action not taken: mailbox unavailable "
     "(S2017062302). [DB5EUR01FT064.eop-EUR01.prod.protection.outlook.com]",
     FAILURE_HARD},
    {"550 5.4.1 Recipient address rejected: Access denied. [AM6EUR05FT030.eop-eur05]",
     FAILURE_HARD},
    {"550 5.1.1 RESOLVER.ADR.ExRecipNotFound; not found", FAILURE_HARD},
    {"554 5.2.2 mailbox full; STOREDRV.Deliver.Exception:QuotaExceededException; Failed",
     FAILURE_QUOTA},
    {"552 5.2.2 <anna@dest.test>: Mailbox is full / Blocks limit exceeded", FAILURE_QUOTA},
    {"550 5.7.1 Unfortunately, messages from [192.0.2.1] weren't sent. Please contact your "
     "Internet service provider since part of their network is on our block list (S3150).",
     FAILURE_BLOCK},
    {"550 5.7.606 Access denied, banned sending IP [192.0.2.1]. To request removal from "
     "this list please visit https://sender.office.com/",
     FAILURE_BLOCK},
    {"550 5.7.511 Access denied, banned sender[192.0.2.1]. To request removal forward",
     FAILURE_BLOCK},
    {"451 4.7.650 The mail server [192.0.2.1] has been temporarily rate limited due to IP "
     "reputation. For e-mail delivery information, see https://postmaster.live.com (S775)",
     FAILURE_RATE},
    {"451 4.7.500 Server busy. Please try again later from [192.0.2.1]. (AS77712)",
     FAILURE_RATE},
    {"550 5.7.708 Service unavailable. Access denied, traffic not accepted from this IP.",
     FAILURE_BLOCK},
    {"550 5.7.515 Access denied, sending domain SENDER.TEST does not meet the required "
     "authentication level.",
     FAILURE_AUTHENTICATION},
    {"550 5.7.509 Access denied, sending domain sender.test does not pass DMARC "
     "verification and has a DMARC policy of reject.",
     FAILURE_AUTHENTICATION},
    {"550 5.7.23 The message was rejected because of Sender Policy Framework violation -> "
     "550 5.7.1 Recipient rejected due to SPF",
     FAILURE_AUTHENTICATION},
    {"550 5.7.512 Access denied, message must be RFC 5322 section 3.6.2 compliant and "
     "include a valid From address",
     FAILURE_CONTENT},
    {"550 5.7.501 Access denied, spam abuse detected from 192.0.2.1.", FAILURE_SPAM},
    {"550 5.7.520 Message blocked because it contains content identified as spam. AS(4810)",
     FAILURE_SPAM},
    {"550 5.7.1 TRANSPORT.RULES.RejectMessage; the message was rejected by organization "
     "policy",
     FAILURE_POLICY},
    {"550 5.7.133 RESOLVER.RST.SenderNotAuthenticatedForGroup; authentication required",
     FAILURE_POLICY},
    {"550 5.7.124 RESOLVER.RST.SenderNotInAllowedSendersList", FAILURE_POLICY},
    {"550 5.7.57 SMTP; Client was not authenticated to send anonymous mail during MAIL "
     "FROM",
     FAILURE_POLICY},
    {"554 5.4.14 Hop count exceeded - possible mail loop ATTR34", FAILURE_LOOP},
    {"550 5.4.310 DNS domain gone.test does not exist", FAILURE_DNS},
    {"450 4.4.316 Connection refused [Message=Socket error code 10061]",
     FAILURE_CONNECTION},
    {"450 4.4.317 Cannot connect to remote server", FAILURE_CONNECTION},
    {"432 4.3.2 STOREDRV.ClientSubmit; sender thread limit exceeded", FAILURE_SOFT},
    {"421 4.3.2 The maximum number of concurrent connections has exceeded a limit, closing",
     FAILURE_RATE},
    {"452 4.3.1 Insufficient system resources", FAILURE_SOFT},
    {"452 4.5.3 Too many recipients", FAILURE_RATE},
    {"552 5.3.4 Message size exceeds fixed maximum message size", FAILURE_SIZE},
    {"550 5.2.3 RESOLVER.RST.RecipSizeLimit; message too large for this recipient",
     FAILURE_SIZE},
    {"550 5.6.11 SMTPSEND.BareLinefeedsAreIllegal; message contains bare linefeeds",
     FAILURE_CONTENT},
    {"550 5.1.8 Access denied, bad outbound sender AS(42004)", FAILURE_POLICY},
    {"530 5.7.0 Must issue a STARTTLS command first", FAILURE_TLS},
};

/* --- Yahoo, AOL, Apple, GMX and WEB.DE, Proton --- */

static const struct bounce providers[] = {
    {"554 delivery error: dd This user doesn't have a yahoo.com account (anna@yahoo.com) "
     "[-5] - mta4001.mail.bf1.yahoo.com",
     FAILURE_HARD},
    {"554 30 Sorry, your message to anna@aol.com cannot be delivered. This mailbox is "
     "disabled (554.30).",
     FAILURE_HARD},
    {"552 1 Requested mail action aborted, mailbox not found", FAILURE_HARD},
    {"421 4.7.0 [TSS04] Messages from 192.0.2.1 temporarily deferred due to unexpected "
     "volume or user complaints - 4.16.55.1; see "
     "https://postmaster.yahooinc.com/error-codes",
     FAILURE_RATE},
    {"553 5.7.1 [TSS09] All messages from 192.0.2.1 will be permanently deferred; Retrying "
     "will NOT succeed. See https://postmaster.yahooinc.com/error-codes",
     FAILURE_BLOCK},
    {"553 5.7.1 [BL21] Connections will not be accepted from 192.0.2.1, because the ip is "
     "in Spamhaus's list",
     FAILURE_BLOCK},
    {"554 5.7.9 Message not accepted for policy reasons. See "
     "https://postmaster.yahooinc.com/error-codes",
     FAILURE_POLICY},
    {"554 Message not allowed - [PH01] Email not accepted for policy reasons.",
     FAILURE_POLICY},
    {"550 5.7.9 This mail has been blocked because the sender is unauthenticated. Yahoo "
     "requires all senders to authenticate with either SPF or DKIM.",
     FAILURE_AUTHENTICATION},
    {"451 4.3.2 Internal error reading data", FAILURE_SOFT},
    {"451 Resources temporarily unavailable. Please try again later [#4.16.5].",
     FAILURE_SOFT},
    {"421 DYN:T1 https://postmaster.aol.com/error-codes#421dynt1", FAILURE_SOFT},
    {"554 5.7.1 (HVU:B1) URL contained in email rejected", FAILURE_SPAM},

    {"550 5.1.1 <anna@icloud.com>: user does not exist", FAILURE_HARD},
    {"550 5.1.1 unknown or illegal alias: anna@me.com", FAILURE_HARD},
    {"550 5.1.6 recipient no longer on server: anna@mac.com", FAILURE_HARD},
    {"552 5.2.2 <anna@icloud.com>: user is over the quota", FAILURE_QUOTA},
    {"550 5.7.1 [CS01] Message rejected due to local policy. Please visit "
     "https://support.apple.com/en-us/HT204137",
     FAILURE_SPAM},
    {"554 5.7.1 [HM08] Message rejected due to local policy. Please visit "
     "https://support.apple.com/HT204137",
     FAILURE_BLOCK},
    {"421 4.7.1 [CNM0] Connection refused. Your reputation of sending is poor",
     FAILURE_BLOCK},
    {"450 4.2.2 <anna@icloud.com>: user is overquota", FAILURE_QUOTA},
    {"554 5.7.1 Your message was rejected due to sender.test's DMARC policy.",
     FAILURE_AUTHENTICATION},

    {"550 Requested action not taken: mailbox unavailable\r\n"
     "For explanation visit https://postmaster.gmx.net/en/error-messages?ip=192.0.2.1&c=rp",
     FAILURE_HARD},
    {"550-Requested action not taken: mailbox unavailable\r\n"
     "550 For explanation visit https://postmaster.web.de/en/case?c=hi",
     FAILURE_HARD},
    {"554-Transaction failed\r\n554-Reject due to policy restrictions.\r\n"
     "554 For explanation visit https://postmaster.gmx.net/en/case?c=hi",
     FAILURE_POLICY},
    {"554-gmx.net (mxgmx016) Nemesis ESMTP Service not available\r\n"
     "554-No SMTP service\r\n554-Bad DNS PTR resource record.\r\n"
     "554 For explanation visit https://postmaster.gmx.net/en/case?c=rdns",
     FAILURE_BLOCK},
    {"450-Requested mail action not taken: mailbox unavailable\r\n"
     "450 Mail send limit exceeded: too many messages",
     FAILURE_RATE},
    {"550-Requested action aborted\r\n550-Reject due to SPF policy.\r\n550 sender.test",
     FAILURE_AUTHENTICATION},
    {"552-Requested mail action aborted: exceeded storage allocation\r\n"
     "552 Quota exceeded. The recipient's mailbox is full.",
     FAILURE_QUOTA},
    {"421 web.de (mxweb008) Nemesis ESMTP Service not available; greylisted, come again",
     FAILURE_GREYLIST},

    {"550 5.1.1 <anna@proton.me>: Recipient address rejected: Address does not exist",
     FAILURE_HARD},
    {"550 5.7.1 Message rejected due to the sender domain's DMARC policy (proton)",
     FAILURE_AUTHENTICATION},
    {"451 4.7.1 <192.0.2.1>: Client host rejected: rate-limit exceeded", FAILURE_RATE},
    {"552 5.2.2 <anna@proton.me>: Mailbox over quota", FAILURE_QUOTA},
    {"550 5.1.1 <anna@fastmail.test>: Recipient address rejected: User unknown in virtual "
     "mailbox table",
     FAILURE_HARD},
    {"550 5.7.1 Email rejected per SPF policy (zoho)", FAILURE_AUTHENTICATION},
    {"550 5.1.1 User does not exist - <anna@zoho.test>", FAILURE_HARD},
    {"554 5.7.7 Email policy violation detected", FAILURE_POLICY},
    {"550 5.1.1 anna@cox.test recipient rejected. Refer to Error Codes section",
     FAILURE_HARD},
    {"421 4.1.0 192.0.2.1 Throttled - try again later. Please see comcast", FAILURE_RATE},
    {"550 5.1.0 192.0.2.1 is not allowed to send from <sender.test> per it's SPF Record.",
     FAILURE_AUTHENTICATION},
    {"550 5.1.1 Not our Customer", FAILURE_HARD},
    {"554 cmsmtp 192.0.2.1 blocked. Error: AUP#In-1310", FAILURE_POLICY},
};

/* --- filters in front: Mimecast, Proofpoint, Barracuda, Cisco, Trend Micro, Sophos --- */

static const struct bounce filters[] = {
    {"550 Rejected by header based manually Blocked Senders - "
     "https://community.mimecast.com/docs/DOC-1369#550 blocked by",
     FAILURE_BLOCK},
    {"550 Invalid Recipient - https://community.mimecast.com/docs/DOC-1369#550 [x1]",
     FAILURE_HARD},
    {"451 Internal resources are temporarily unavailable - "
     "https://community.mimecast.com/docs/DOC-1369#451 [greylisting]",
     FAILURE_GREYLIST},
    {"554 Email rejected due to security policies - "
     "https://community.mimecast.com/docs/DOC-1369#554",
     FAILURE_POLICY},
    {"550 Administrative prohibition - envelope blocked by mimecast", FAILURE_BLOCK},
    {"550 DMARC Sender Invalid - envelope rejected - "
     "https://community.mimecast.com/docs/DOC-1369#550",
     FAILURE_AUTHENTICATION},
    {"550 SPF Sender Invalid - envelope rejected", FAILURE_AUTHENTICATION},
    {"554 Blocked - see https://ipcheck.proofpoint.com/?ip=192.0.2.1", FAILURE_BLOCK},
    {"550 5.7.0 Local Policy Violation - ls 2x3y4z", FAILURE_POLICY},
    {"550 5.1.1 User Unknown - psmtp", FAILURE_HARD},
    {"451 4.7.1 Recipient limit; too many recipients for first time sender - pphosted",
     FAILURE_GREYLIST},
    {"554 5.7.0 Reject, id=12345-01 - spam message, quarantined", FAILURE_SPAM},
    {"550 permanent failure for one or more recipients (anna@dest.test:blocked) Service "
     "unavailable; www.barracudanetworks.com/reputation/?pr=1&ip=192.0.2.1",
     FAILURE_BLOCK},
    {"550 permanent failure for one or more recipients (anna@dest.test:550 5.1.1 unknown "
     "user)",
     FAILURE_HARD},
    {"554 rejected due to spam content", FAILURE_SPAM},
    {"554-esa1.dest.test\r\n554 Your access to this mail system has been rejected due to "
     "the sending MTA's poor reputation. See https://talosintelligence.com",
     FAILURE_BLOCK},
    {"550 #5.1.0 Address rejected.", FAILURE_HARD},
    {"552 #5.3.4 message header size exceeds limit", FAILURE_SIZE},
    {"452 Too many recipients received this hour", FAILURE_RATE},
    {"421 #4.4.5 Too many connections from your host.", FAILURE_RATE},
    {"550 5.7.1 Service unavailable; Client host [192.0.2.1] blocked using Trend Micro "
     "RBL+. "
     "Please see http://www.mail-abuse.com",
     FAILURE_BLOCK},
    {"550 5.7.1 Message rejected: virus found (sophos)", FAILURE_CONTENT},
    {"550 5.7.1 The message is classified as spam (hornetsecurity)", FAILURE_SPAM},
    {"451 4.7.1 Try again later; senderscore too low", FAILURE_BLOCK},
};

/* --- block lists --- */

static const struct bounce block_lists[] = {
    {"554 5.7.1 Service unavailable; Client host [192.0.2.1] blocked using "
     "zen.spamhaus.org; "
     "https://www.spamhaus.org/query/ip/192.0.2.1",
     FAILURE_BLOCK},
    {"550 5.7.1 Service unavailable; client [192.0.2.1] blocked using bl.spamcop.net",
     FAILURE_BLOCK},
    {"554 5.7.1 <unknown[192.0.2.1]>: Client host rejected: listed at dnsbl.sorbs.net",
     FAILURE_BLOCK},
    {"550 Rejected because 192.0.2.1 is in a black list at b.barracudacentral.org",
     FAILURE_BLOCK},
    {"554 192.0.2.1 found on one or more RBLs (abusixip). Refer to "
     "https://developers.cloudflare.com/email-routing/postmaster/",
     FAILURE_BLOCK},
    {"554 5.7.1 Your IP is listed on UCEPROTECT-Level 2", FAILURE_BLOCK},
    {"550 JunkMail rejected - mail.test [192.0.2.1]:1234 is in an RBL: see cbl.abuseat.org",
     FAILURE_BLOCK},
    {"571 5.7.1 Blacklisted by ix.dnsbl.manitu.net", FAILURE_BLOCK},
    {"550 5.7.1 Blocked: domain listed by dbl.spamhaus.org in message body", FAILURE_BLOCK},
    {"554 5.7.1 Message contains a URL listed in multi.surbl.org", FAILURE_BLOCK},
    {"421 4.7.1 Your host is blocked, see https://multirbl.valli.org", FAILURE_BLOCK},
    {"550-\"The mail server detected your message as spam and has prevented delivery\"\r\n"
     "550 Sender IP is on a DNSBL",
     FAILURE_BLOCK},
};

/* --- servers: Postfix, Exim, Sendmail, qmail, Dovecot, OpenSMTPD, MDaemon, Lotus Domino --- */

static const struct bounce servers[] = {
    {"550 5.1.1 <anna@dest.test>: Recipient address rejected: User unknown in local "
     "recipient table",
     FAILURE_HARD},
    {"450 4.1.1 <anna@dest.test>: Recipient address rejected: unverified address: host "
     "says: user unknown",
     FAILURE_HARD},
    {"550 5.1.1 <anna@dest.test>: Recipient address rejected: undeliverable address",
     FAILURE_HARD},
    {"450 4.2.0 <anna@dest.test>: Recipient address rejected: Greylisted, see "
     "http://postgrey.schweikert.ch/help/dest.test.html",
     FAILURE_GREYLIST},
    {"450 4.3.2 Service currently unavailable", FAILURE_SOFT},
    {"451 4.7.1 Greylisting in action, please come back later", FAILURE_GREYLIST},
    {"451 4.7.1 Please try again later (grey-listed)", FAILURE_GREYLIST},
    {"450 4.7.1 <anna@dest.test>: Recipient address rejected: Graylisted for 5 minutes",
     FAILURE_GREYLIST},
    {"451 Greylisted, please try again in 180 seconds", FAILURE_GREYLIST},
    {"421 4.7.0 mx.dest.test Error: too many connections from 192.0.2.1", FAILURE_RATE},
    {"450 4.7.1 Error: too much mail from 192.0.2.1", FAILURE_RATE},
    {"421 4.4.2 mx.dest.test Error: timeout exceeded", FAILURE_CONNECTION},
    {"554 5.7.1 <anna@dest.test>: Relay access denied", FAILURE_POLICY},
    {"554 5.7.1 <anna@dest.test>: Recipient address rejected: Access denied",
     FAILURE_POLICY},
    {"450 4.1.8 <joe@sender.test>: Sender address rejected: Domain not found",
     FAILURE_POLICY},
    {"504 5.5.2 <localhost>: Helo command rejected: need fully-qualified hostname",
     FAILURE_POLICY},
    {"450 4.7.25 Client host rejected: cannot find your hostname, [192.0.2.1]",
     FAILURE_POLICY},
    {"552 5.3.4 Message size exceeds fixed limit", FAILURE_SIZE},
    {"452 4.3.1 Insufficient system storage", FAILURE_SOFT},
    {"550 5.7.1 Message content rejected, id=1234-05 - SPAM", FAILURE_SPAM},
    {"554 5.4.0 Error: too many hops", FAILURE_LOOP},
    {"554 5.4.6 <anna@dest.test>: mail for dest.test loops back to myself", FAILURE_LOOP},
    {"521 5.5.1 Protocol error", FAILURE_PROTOCOL},
    {"521 5.5.2 mx.dest.test Error: bare <LF> received", FAILURE_CONTENT},
    {"550 5.4.4 Host or domain name not found. Name service error for name=gone.test",
     FAILURE_DNS},
    {"451 4.3.5 Server configuration error", FAILURE_SOFT},
    {"550 5.2.0 Mail folder cannot be opened", FAILURE_HARD},

    {"550 Unrouteable address", FAILURE_HARD},
    {"550 No Such User Here", FAILURE_HARD},
    {"550-Verification failed for <joe@sender.test>\r\n"
     "550-No Such User Here\r\n550 Sender verify failed",
     FAILURE_POLICY},
    {"550 relay not permitted", FAILURE_POLICY},
    {"451 Temporary local problem - please try later", FAILURE_SOFT},
    {"550 Message was rejected: it has a spam score of 12.3", FAILURE_SPAM},
    {"552 Message size exceeds maximum permitted", FAILURE_SIZE},
    {"550 maximum allowed line length is 998 octets, got 2034: line too long",
     FAILURE_CONTENT},
    {"550 Rejected: too many \"Received\" headers - suspected mail loop", FAILURE_LOOP},
    {"550 Mailbox quota exceeded", FAILURE_QUOTA},
    {"421 Too many concurrent SMTP connections; please try again later.", FAILURE_RATE},

    {"550 5.1.1 <anna@dest.test>... User unknown", FAILURE_HARD},
    {"550 5.7.1 <anna@dest.test>... Relaying denied", FAILURE_POLICY},
    {"553 5.1.8 <joe@sender.test>... Domain of sender address joe@sender.test does not "
     "exist",
     FAILURE_POLICY},
    {"550 5.1.2 <anna@gone.test>... Host unknown (Name server: gone.test: host not found)",
     FAILURE_DNS},
    {"421 4.3.2 Connection rate limit exceeded.", FAILURE_RATE},
    {"554 5.4.6 Too many hops 26 (25 max)", FAILURE_LOOP},
    {"451 4.7.1 Greylisting in action, please come back in 00:05:00", FAILURE_GREYLIST},
    {"454 4.7.0 TLS not available due to temporary reason", FAILURE_TLS},

    {"553 sorry, that domain isn't in my list of allowed rcpthosts (#5.7.1)",
     FAILURE_POLICY},
    {"550 Sorry, no mailbox here by that name. (#5.1.1)", FAILURE_HARD},
    {"552 sorry, that message size exceeds my databytes limit (#5.3.4)", FAILURE_SIZE},
    {"554 mail server permanently rejected message (#5.3.0)", FAILURE_POLICY},
    {"550 sorry, that recipient is not listed in the users table", FAILURE_HARD},
    {"554 too many hops, this message is looping (#5.4.6)", FAILURE_LOOP},

    {"552 5.2.2 <anna@dest.test> Quota exceeded (mailbox for user is full)", FAILURE_QUOTA},
    {"452 4.2.2 Mailbox full", FAILURE_QUOTA},
    {"550 Invalid recipient: anna@dest.test", FAILURE_HARD},
    {"550 <anna@dest.test>, Recipient unknown", FAILURE_HARD},
    {"550 anna@dest.test... No such user", FAILURE_HARD},
    {"551 User has moved; please try <anna@new.test>", FAILURE_HARD},
    {"450 Mailbox is locked, busy with another session", FAILURE_SOFT},
    {"571 Delivery not authorized, message refused", FAILURE_POLICY},
    {"530 5.7.0 Authentication Required", FAILURE_POLICY},
    {"550 5.7.10 Encryption needed for this recipient", FAILURE_TLS},
    {"553 5.6.7 Address requires SMTPUTF8", FAILURE_CONTENT},
};

/* --- bare codes --- */

static const struct bounce bare[] = {
    {"421 closing", FAILURE_SOFT},
    {"450 later", FAILURE_SOFT},
    {"451", FAILURE_SOFT},
    {"452 later", FAILURE_SOFT},
    {"454 no", FAILURE_TLS},
    {"500 what?", FAILURE_PROTOCOL},
    {"503 not now", FAILURE_PROTOCOL},
    {"521 no mail here", FAILURE_HARD},
    {"550 no", FAILURE_HARD},
    {"552 no", FAILURE_QUOTA},
    {"553 no", FAILURE_HARD},
    {"554 no", FAILURE_POLICY},
    {"556 no mail for that domain", FAILURE_HARD},
    {"599 no", FAILURE_POLICY},
    {"550 5.7.1 no", FAILURE_POLICY},
    {"450 4.2.0 later", FAILURE_GREYLIST},
    {"421 4.7.0 later", FAILURE_RATE},
    {"552 5.2.2 no", FAILURE_QUOTA},
    {"550 5.1.1 nein", FAILURE_HARD},
    {"554 5.6.0 no", FAILURE_CONTENT},
    {"550 5.4.6 no", FAILURE_LOOP},
    {"451 4.4.3 later", FAILURE_DNS},
    {"550 9.9.9 no", FAILURE_HARD},
};

static struct reply parsed(const char *wire)
{
    char line[2000];
    struct reply reply;
    /* GMX and others leave the code out of a second line; only what is SMTP reaches the table. */
    int length = snprintf(line, sizeof line, "%s\r\n", wire);
    assert_true(length > 0 && (size_t)length < sizeof line);
    assert_true(reply_parse(str_of(line), &reply) > 0);
    return reply;
}

static void check(const struct bounce bounces[], size_t count)
{
    int wrong = 0;
    for (size_t i = 0; i < count; i++) {
        struct reply reply = parsed(bounces[i].wire);
        enum failure_class found = failure_classify(&reply, true);
        if (found != bounces[i].failure) {
            print_error("%s: %s, not %s\n", bounces[i].wire, failure_name(found),
                        failure_name(bounces[i].failure));
            wrong++;
        }
    }
    assert_int_equal(wrong, 0);
}

#define CHECK(table) check(table, sizeof(table) / sizeof *(table))

static void the_words_of_the_large_providers_are_known(void **state)
{
    (void)state;
    CHECK(gmail);
    CHECK(exchange);
    CHECK(providers);
}

static void the_words_of_filters_and_block_lists_are_known(void **state)
{
    (void)state;
    CHECK(filters);
    CHECK(block_lists);
}

static void the_words_of_the_usual_servers_are_known(void **state)
{
    (void)state;
    CHECK(servers);
}

static void codes_decide_where_words_say_nothing(void **state)
{
    (void)state;
    CHECK(bare);
}

static void a_phrase_may_run_over_lines(void **state)
{
    (void)state;
    CHECK(((struct bounce[]){{"550-this mailbox\r\n550 is full", FAILURE_QUOTA},
                             {"550 MAILBOX    FULL", FAILURE_QUOTA}}));
}

static void our_own_words_go_by_their_enhanced_code(void **state)
{
    (void)state;
    static const struct {
        int code;
        const char *enhanced, *text;
        enum failure_class failure;
    } own[] = {
        {451, "4.4.1", "no connection to mx1.dest.test: refused", FAILURE_CONNECTION},
        {451, "4.4.2", "mx1.dest.test has not answered in time", FAILURE_CONNECTION},
        {451, "4.4.3", "DNS gives no answer for dest.test", FAILURE_DNS},
        {451, "4.4.5", "all connections to dest.test are busy", FAILURE_RATE},
        {451, "4.5.0", "mx1.dest.test has answered what is not SMTP", FAILURE_PROTOCOL},
        {451, "4.7.4", "mx1.dest.test offers no TLS", FAILURE_TLS},
        {451, "4.7.5", "no TLS with mx1.spamhaus.test: user unknown", FAILURE_TLS},
        {451, "4.3.0", "Local error, try again later", FAILURE_SOFT},
        {550, "5.1.1", "No such address here", FAILURE_HARD},
        {550, "5.1.2", "the domain gone.test does not exist", FAILURE_DNS},
        {556, "5.1.10", "dest.test takes no mail (null MX)", FAILURE_DNS},
        {550, "5.4.4", "the mail host mx1.dest.test has no address", FAILURE_DNS},
        {554, "5.4.6", "no MX of dest.test is a host to deliver to", FAILURE_LOOP},
        {550, "5.6.7", "knows no internationalized addresses", FAILURE_CONTENT},
        {552, "5.3.4", "takes messages of at most 100 bytes", FAILURE_SIZE},
        {550, "5.7.1", "Message refused", FAILURE_POLICY},
    };
    for (size_t i = 0; i < sizeof own / sizeof *own; i++) {
        struct reply reply = reply_make(own[i].code, own[i].enhanced, "%s", own[i].text);
        assert_string_equal(failure_name(failure_classify(&reply, false)),
                            failure_name(own[i].failure));
    }
}

static bool is_hard_bounce(const char *wire)
{
    struct reply reply = parsed(wire);
    return failure_is_hard_bounce(failure_classify(&reply, true), &reply);
}

static void an_address_that_is_no_good_is_a_hard_bounce(void **state)
{
    (void)state;
    assert_true(is_hard_bounce("550 5.1.1 nope"));
    assert_true(is_hard_bounce("550 5.1.10 RESOLVER.ADR.RecipientNotFound"));
    assert_true(is_hard_bounce("550 5.2.1 The email account is disabled"));
    assert_true(is_hard_bounce("550 No such user here"));
    assert_true(is_hard_bounce("554 delivery error: dd This user doesn't have a yahoo.com "
                               "account"));
    struct reply gone = reply_make(550, "5.1.2", "the domain gone.test does not exist");
    assert_true(failure_is_hard_bounce(failure_classify(&gone, false), &gone));
}

static void what_can_change_is_no_hard_bounce(void **state)
{
    (void)state;
    assert_false(is_hard_bounce("450 4.1.1 User unknown"));
    assert_false(is_hard_bounce("550 no"));
    assert_false(is_hard_bounce("550 5.7.1 Blocked using zen.spamhaus.org"));
    assert_false(is_hard_bounce("552 5.2.2 Mailbox full"));
    assert_false(is_hard_bounce("550 5.1.1 rejected because of DMARC"));
    assert_false(is_hard_bounce("554 no"));
    assert_false(is_hard_bounce("550 5.4.4 Host or domain name not found"));
}

static void every_class_has_a_name_a_meaning_and_advice(void **state)
{
    (void)state;
    for (int i = 0; i <= FAILURE_CONTENT; i++) {
        assert_true(failure_name((enum failure_class)i)[0]);
        assert_true(failure_meaning((enum failure_class)i)[0]);
        assert_true(strlen(failure_advice((enum failure_class)i)) > 20);
    }
    assert_string_equal(failure_name(FAILURE_QUOTA), "quota");
    assert_string_equal(failure_meaning(FAILURE_QUOTA), "the mailbox is full");
}

/* Else it could never be found, or never decide. */
static void no_phrase_is_dead(void **state)
{
    (void)state;
    for (size_t i = 0; i < failure_text_count; i++) {
        struct str phrase = str_of(failure_texts[i].phrase);
        assert_int_equal(str_find(phrase, STR("  ")), -1);
        for (size_t at = 0; at < phrase.length; at++)
            assert_int_equal(phrase.at[at], ascii_lower(phrase.at[at]));
        for (size_t before = 0; before < i; before++)
            if (str_find(phrase, str_of(failure_texts[before].phrase)) >= 0)
                fail_msg("\"%s\" is hidden by \"%s\"", failure_texts[i].phrase,
                         failure_texts[before].phrase);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(the_words_of_the_large_providers_are_known),
        cmocka_unit_test(the_words_of_filters_and_block_lists_are_known),
        cmocka_unit_test(the_words_of_the_usual_servers_are_known),
        cmocka_unit_test(codes_decide_where_words_say_nothing),
        cmocka_unit_test(a_phrase_may_run_over_lines),
        cmocka_unit_test(our_own_words_go_by_their_enhanced_code),
        cmocka_unit_test(an_address_that_is_no_good_is_a_hard_bounce),
        cmocka_unit_test(what_can_change_is_no_hard_bounce),
        cmocka_unit_test(every_class_has_a_name_a_meaning_and_advice),
        cmocka_unit_test(no_phrase_is_dead),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
