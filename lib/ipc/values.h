/* SPDX-License-Identifier: ISC */
/* What fields of messages hold that are numbers with names. */
#ifndef POSTRIDER_IPC_VALUES_H
#define POSTRIDER_IPC_VALUES_H

/* outcome: of most requests. */
enum ipc_outcome { IPC_DONE = 0, IPC_LATER = 1, IPC_NEVER = 2, IPC_REFUSED = 3, IPC_UNSURE = 4 };

/* heard: of a next hop, while a message went there. */
enum ipc_heard {
	IPC_HEARD_NOTHING, /* it was not asked, or nothing can be concluded */
	IPC_HEARD_ALL,     /* an answer to everything */
	IPC_HEARD_STALL,   /* it was there, and stopped answering in this message */
	IPC_HEARD_NOBODY,  /* it was not there */
};

/* door: the protocol that a user logs in by. */
enum ipc_door { IPC_DOOR_SMTP = 1, IPC_DOOR_IMAP, IPC_DOOR_POP3, IPC_DOOR_MANAGESIEVE };

/* step: how an exchange of SASL stands. */
enum ipc_step {
	IPC_STEP_IN,      /* logged in; a challenge that is not empty is to be shown before, and its empty response awaited */
	IPC_STEP_LATER,   /* could not ask */
	IPC_STEP_WRONG,   /* credentials are refused */
	IPC_STEP_ILLEGAL, /* mechanism or coding is refused */
	IPC_STEP_GO_ON,   /* the challenge is the answer */
};

#endif
